"""Chinese text normalisation: what is written to what is said. The rules are compiled when a text is normalised first."""

__all__ = ["normalize"]


def normalize(text: str) -> str:
    """The text in simplified characters and pauses (`!?…,.`), figures and signs put into words, all else dropped."""
    from timbral.text.normalize.chinese.text import normalize as normalize_text

    return normalize_text(text)
