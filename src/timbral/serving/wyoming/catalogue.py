"""What the server tells Home Assistant about itself: one program, its voices, and their languages."""

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from timbral import __version__
from timbral.serving.access.keys import Principal
from timbral.serving.services import Services

_ATTRIBUTION = Attribution(name="Timbral", url="")


def describe(parts: Services, principal: Principal) -> Info:
    """Every voice that the principal may speak with, the default one first."""
    known = parts.pool.known()
    languages: dict[str, list[str]] = {name: [*bundle.manifest.languages] for name, bundle in known.items()}
    models = {row.name: row.model for row in parts.voices.visible(principal)}
    names = dict.fromkeys([*parts.voices.built_in(), *models])
    voices = [
        TtsVoice(
            name=name,
            attribution=_ATTRIBUTION,
            installed=True,
            description=name,
            version=None,
            languages=languages.get(models.get(name, ""), languages[parts.config.default_model]),
        )
        for name in names
    ]
    program = TtsProgram(
        name="timbral",
        attribution=_ATTRIBUTION,
        installed=True,
        description="Few-shot voice cloning",
        version=__version__,
        voices=voices,
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program])
