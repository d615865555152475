"""Whom a client wants to hear: a registered voice, or files in the operator's folder."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from timbral.audio import read_reference
from timbral.serving.access.keys import Principal
from timbral.serving.errors import ApiError
from timbral.serving.official.folder import Folder
from timbral.serving.services import Services
from timbral.serving.voices.registry import Recordings, Resolved
from timbral.voices import SUFFIX

_CHECKED_RATE = 16_000


@dataclass(frozen=True)
class References:
    """Finds voices by what clients send as a path. folder: None where only registered voices can be named."""

    parts: Services
    folder: Folder | None

    async def voice(
        self, principal: Principal, path: str, others: Sequence[str], text: str, language: str, *, model: str
    ) -> Resolved:
        """The voice of a name or of files. others: further recordings of the same speaker; text: of the first one.

        Raises ApiError: there is no such thing, or no consent to it; AudioError, TextError, VoiceError.
        """
        found = await run_in_threadpool(self._found, principal, path)
        consent = self.parts.config.official.consent or None
        if isinstance(found, Resolved):
            if others:
                raise ApiError(400, "aux_ref_audio_paths: only recordings can be joined, and no voices")
            return found
        contents = [found, *[await run_in_threadpool(self._content, other) for other in others]]
        recordings = Recordings(contents, text or None, language)
        voices = self.parts.voices
        return await self.parts.cloning.run(
            lambda: voices.passing(principal, recordings, consent, model=model)
        )

    def check(self, principal: Principal, path: str) -> None:
        """Raises what `voice` raises, as far as it can be known before a text is spoken."""
        found = self._found(principal, path)
        if isinstance(found, bytes):
            read_reference(found, _CHECKED_RATE)

    def _found(self, principal: Principal, path: str) -> Resolved | bytes:
        """A voice, or the content of a recording."""
        try:
            return self.parts.voices.resolve(principal, path)
        except ApiError as error:
            if error.code != "voice_not_found":
                raise
        content = self._content(path)
        if not path.lower().endswith(SUFFIX):
            return content
        return self.parts.voices.passing_file(principal, content, self.parts.config.official.consent or None)

    def _content(self, path: str) -> bytes:
        most = self.parts.config.limits.recording_mb << 20
        content = None if self.folder is None else self.folder.read(path, most)
        if content is None:
            message = f"{path[:80]!a} is neither a voice nor a file in the folder of this server"
            raise ApiError(400, message, code="reference_not_found")
        return content
