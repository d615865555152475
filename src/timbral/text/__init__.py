"""From text to phones, for any mixture of Chinese, English, Japanese, Korean and Cantonese."""

from timbral.text.frontend import Segment, Utterance, to_phones, to_utterances, with_mark
from timbral.text.lexicon import Lexicon

__all__ = ["Lexicon", "Segment", "Utterance", "to_phones", "to_utterances", "with_mark"]
