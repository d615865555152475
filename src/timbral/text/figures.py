"""Figures with letters that belong to them in Japanese and Korean text: 3:40pm, USD 100, 5G, H30.4.1."""

from timbral.text.scripts import LATIN

_NUMBER = r"[0-9](?:[0-9,]{0,20}[0-9])?(?:\.[0-9]{1,9})?"
_HALF_OF_DAY = rf"[aApP](?:\. ?[mM]\.| ?[mM](?![{LATIN}]))"
_CLOCK = r"[0-9]{1,2}(?::[0-5][0-9]){0,2}"
_CODE = (
    "(?i:USD|JPY|EUR|GBP|CNY|RMB|HKD|TWD|KRW|CAD|AUD|NZD|SGD|CHF|AED|INR|THB|VND|RUB|BTC)"
    r"|(?:US|HK|NT|A|C|S)\$"
)
_COUNTER = (
    "[枚台個名回冊件匹杯つ時分秒年月円歳度倍]|人(?!工)|日(?!本)|[장개명권병잔살월일시분초원년](?![가-힣]{3})"
)
_NO_LETTER_BEFORE = rf"(?<![{LATIN}0-9.])"
_NO_LETTER_AFTER = rf"(?![{LATIN}0-9])"

FIGURE = "|".join(
    (
        rf"{_NO_LETTER_BEFORE}{_CLOCK} ?{_HALF_OF_DAY}(?![{LATIN}])",
        rf"{_NO_LETTER_BEFORE}[AP]\.?M\.? ?{_CLOCK}(?![{LATIN}])",
        rf"{_NO_LETTER_BEFORE}(?:{_CODE}) ?{_NUMBER}",
        rf"{_NO_LETTER_BEFORE}[MTSHR](?:\.?[0-9]{{1,2}}[./][0-9]{{1,2}}[./][0-9]{{1,2}}|[0-9]{{1,2}}(?=年)|\.[0-9]{{1,2}}){_NO_LETTER_AFTER}",
        rf"{_NO_LETTER_BEFORE}(?:[2348][DKG]|5G|[1-9]S?L?DK|1[RK]){_NO_LETTER_AFTER}",
        rf"{_NO_LETTER_BEFORE}[Nn]o\.? ?(?:[0-9]+|[〇一二三四五六七八九]{{2,}}){_NO_LETTER_AFTER}",
        rf"{_NO_LETTER_BEFORE}{_NUMBER} ?(?:[A-Za-zμ]{{1,4}}/[A-Za-z]{{1,3}}[²³23]?|hPa|mph|pH|%p){_NO_LETTER_AFTER}",
        rf"{_NO_LETTER_BEFORE}[0-9]{{1,9}}(?:x[0-9]{{1,9}}){{1,3}}(?:=[0-9]{{1,9}})?",
        rf"(?<![0-9.,:/-])[0-9]{{1,9}}(?={_COUNTER})",
        rf"(?<=[{LATIN}])[+/][0-9]{{1,9}}{_NO_LETTER_AFTER}",
    )
)
"""Alternatives of a regular expression; a figure needs at most one blank inside."""
