"""Japanese text as written to what is said: figures, dates, units and signs in words.

Rules run in a fixed order, each over the whole text, from the most specific notation (telephone numbers, dates) to
plain numbers. A rule leaves figures that a later one has to spell.
"""

import re

from timbral.text.normalize.japanese.calendar import CALENDAR
from timbral.text.normalize.japanese.figures import FORMS, SPELT, VERSIONS
from timbral.text.normalize.japanese.formulas import FORMULAS, RANGES
from timbral.text.normalize.japanese.quantities import MONEY, NUMBERS, UNITS_AND_SIGNS
from timbral.text.normalize.rewriting import rewrite

_WIDE = str.maketrans("０１２３４５６７８９，", "0123456789,")
_RULES = (*FORMS, *SPELT, *CALENDAR, VERSIONS, *MONEY, *RANGES, *FORMULAS, *UNITS_AND_SIGNS, NUMBERS)
_REPEATED_MARKS = re.compile(r"([!?….,\-])[!?….,\-]+")


def normalize(text: str) -> str:
    """Japanese text in words: 3月15日 is 三月十五日, 60km/h 六十キロメートル毎時.

    Of marks in a row the first one stays: a model reads them as a reason to go on babbling. Kanji digits in a row
    (〇九〇) are to be read one by one, full-width figures (１０分) as a number that kanji would make ambiguous.
    """
    return _REPEATED_MARKS.sub(r"\1", rewrite(text.translate(_WIDE), _RULES))
