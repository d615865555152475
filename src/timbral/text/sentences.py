"""Sentences out of a text that is still being written."""

from timbral.text.splitting import finished_length, split_text

_LONG = 200
"""Characters of an unfinished sentence from which on it is looked for a place to cut it."""


class SentenceBuffer:
    """Takes a text piece by piece and gives the sentences that what follows cannot change any more."""

    def __init__(self) -> None:
        self._text = ""
        self._ready = 0

    def __len__(self) -> int:
        """Characters that have not been taken."""
        return len(self._text)

    def append(self, text: str) -> None:
        """Adds what has been written."""
        self._text += text
        rest = self._text[self._ready :]
        finished = finished_length(rest)
        if not finished and len(rest) > _LONG:
            finished = sum(map(len, split_text(rest)[:-1]))
        self._ready += finished

    def commit(self) -> None:
        """Counts all of the text as finished."""
        self._ready = len(self._text)

    def take(self, most: int) -> str:
        """The finished sentences, up to `most` characters; empty where nothing of them can be spoken yet."""
        ready = self._text[: self._ready]
        if len(ready) > most:
            ready = ready[:most]
            finished = ready[: finished_length(ready)]
            ready = finished if _speaks(finished) else ready
        elif not _speaks(ready):
            if self._ready == len(self._text):  # marks alone, and the end
                self.clear()
            return ""
        self._text, self._ready = self._text[len(ready) :], self._ready - len(ready)
        return ready

    def clear(self) -> str:
        """Drops the text and returns it."""
        dropped, self._text, self._ready = self._text, "", 0
        return dropped


def _speaks(text: str) -> bool:
    return any(map(str.isalnum, text))
