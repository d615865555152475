"""Speech recognisers by name. Another one joins by `register`: a class with a name and one method is enough."""

from collections.abc import Callable
from pathlib import Path

from timbral.data import whisper
from timbral.data.transcription import Transcriber
from timbral.errors import SettingError
from timbral.paths import is_folder

WHISPER = "whisper"
"""Name of the best Whisper at hand."""
NONE = "none"
"""Name of no recogniser: texts stay empty, for stage two learns without any."""

Factory = Callable[[], Transcriber]
_FACTORIES: dict[str, Factory] = {}


def register(name: str, factory: Factory) -> None:
    """Makes a recogniser known by name, in place of an earlier one of that name; opened when first needed."""
    _FACTORIES[name] = factory


def open_transcriber(name: str, *, compute_type: str = "default") -> Transcriber | None:
    """The recogniser that `name` stands for; None for `none`.

    A registered name, `whisper`, the name of a published model such as `small` or `large-v3-turbo`, or a
    folder with Whisper in the form of CTranslate2. compute_type: CTranslate2's, of a Whisper; int8 takes half
    the time. Raises SettingError, InstallationError, BundleError, HubError.
    """
    if name == NONE:
        return None
    if name in _FACTORIES:
        return _FACTORIES[name]()
    if is_folder(name):
        return whisper.Whisper(Path(name), compute_type)
    if name == WHISPER:
        return whisper.Whisper(whisper.default_model(), compute_type)
    if name in whisper.published_models():
        return whisper.Whisper(whisper.download(name), compute_type)
    known = ", ".join([NONE, WHISPER, *sorted(_FACTORIES), *whisper.published_models()])
    raise SettingError(f"transcriber {name[:80]!r} is neither a folder nor known; choose from {known}")
