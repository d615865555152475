"""Progress callbacks."""

from collections.abc import Callable

OnProgress = Callable[[str, float], None]
"""Called with what is being done, and the share of it that is done, 0 to 1."""


def no_progress(what: str, share: float) -> None:
    """Ignores progress."""
