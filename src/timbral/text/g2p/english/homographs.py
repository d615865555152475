"""English words with two pronunciations, chosen by the words around them.

A linear model for each word and one for all verbs together, trained on the homograph data of Gorman, Mazovetskiy and
Nikolaev ("Improving homograph disambiguation with supervised machine learning", LREC 2018).
"""

from collections.abc import Sequence
from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.lexicon import Phones


def homograph(tokens: Sequence[str], index: int) -> Phones | None:
    """Phones of a word with two pronunciations, None for any other word."""
    entry = lexicon.homographs().get(tokens[index].lower())
    return entry.second if entry else None
