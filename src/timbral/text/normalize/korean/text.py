"""Korean text as written to what is said: figures, dates, units and signs in hangul.

Rules run in a fixed order, each over the whole text, from the most specific notation (telephone numbers, dates)
to plain numbers. Every pattern is linear in the length of the text.
"""

import re
from collections.abc import Callable

from timbral.text.normalize.korean.numerals import decimal, digits, ends_in_consonant, native, sino
from timbral.text.normalize.korean.units import (
    CURRENCY_CODES,
    CURRENCY_SIGNS,
    LETTERS,
    NATIVE_COUNTERS,
    NEIGHBOURS,
    OPERATORS,
    POWERS,
    SIGNS,
    SPEEDS,
    UNIT,
    UNITS,
    WORDS,
)

Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_WEEKDAYS = "월화수목금토일"
_MONTH, _DAY = r"(?:0?[1-9]|1[0-2])", r"(?:[12]\d|3[01]|0?[1-9])"
_HIGHEST_NATIVE_HOUR, _HIGHEST_NATIVE = 12, 29
_PARTICLES = {"이": "이가", "가": "이가", "은": "은는", "는": "은는", "을": "을를", "를": "을를", "과": "과와", "와": "과와"}
_MAGNITUDE = r"(?P<magnitude>\s?[천백십]?[만억조]\s?(?=[^\d]|$))?"
_SPORTS = re.compile("경기|이기|이겼|졌|승리|패배|무승부|스코어|골")
_NEAR = 40
"""Characters before and after a figure that may tell how it is meant."""
_BOOKS = re.compile("책|소설|공책|노트|잡지|만화|사전|시집|동화|교재|전집")


def _date(year: str, month: str, day: str) -> str:
    return " ".join(f"{int(n)}{unit}" for n, unit in ((year, "년"), (month, "월"), (day, "일")) if n)


def _year_last(match: re.Match[str]) -> str:
    first, second = match["a"], match["b"]
    return _date(match["y"], second, first) if int(first) > 12 else _date(match["y"], first, second)


def _weekday(match: re.Match[str]) -> str:
    last = f"부터 {match['last']}요일까지" if match["last"] else ""
    return f" {match['first']}요일{last}"


def _clock(match: re.Match[str]) -> str:
    spoken = f"{int(match['h'])}시"
    for figures, unit in ((match["m"], "분"), (match["s"] or "0", "초")):
        if int(figures):
            spoken += f" {int(figures)}{unit}"
    return spoken


def _hour(match: re.Match[str]) -> str:
    hour = int(match["h"])
    return (native(str(hour)) if 0 < hour <= _HIGHEST_NATIVE_HOUR else sino(str(hour))) + "시"


def _telephone(match: re.Match[str]) -> str:
    """The figures of each group one by one, the code of a country by name."""
    country, number = match["country"], match["number"]
    groups = re.findall(r"\d+", number)
    zero = "공" if sum(map(len, groups)) < 14 else "영"
    spoken = " ".join(digits(group, zero) for group in groups)
    return f"국가번호 {digits(country)} {spoken}" if country else spoken


def _money(match: re.Match[str]) -> str:
    name = CURRENCY_SIGNS.get(match["sign"] or "") or CURRENCY_CODES[(match["code"] or "").upper()]
    minus = "마이너스 " if match["minus"] else ""
    return f"{minus}{match['amount']}{(match['magnitude'] or '').strip()}{name}"


def _range_of_dates(match: re.Match[str]) -> str:
    return f"{match['left']}부터 {match['right']}까지"


def _fraction(match: re.Match[str]) -> str:
    """이분의 일; a particle after it agrees with what is said."""
    up, down, particle = match["up"], match["down"], match["particle"]
    spoken = ("마이너스 " if match["minus"] else "") + f"{_rooted(down)}분의 {_rooted(up)}"
    if particle:
        spoken += _PARTICLES[particle][not ends_in_consonant(spoken)]
    return spoken


def _rooted(number: str) -> str:
    return "루트 " + sino(number[1:]) if number[0] == "√" else sino(number)


def _speed_or_unit(match: re.Match[str]) -> str:
    """A number with its unit; a speed by the hour or second comes first: 시속 60 킬로미터."""
    number, power, per = match["number"].rstrip(".,/"), match["power"], match["per"]
    unit = match["length"] or match["unit"]
    lead = match["number"][len(number) :]
    spoken = (POWERS[power] if power else "") + UNITS[unit]
    negative = number.startswith("-")
    if lead:
        return match[0]
    if negative:
        number = ("영하 " if spoken == "도" else "마이너스 ") + number[1:]
    if per in SPEEDS and spoken.endswith("미터"):
        already = re.search(r"[시초분풍]속\s?(?:약 )?$", match.string[max(match.start() - 8, 0) : match.start()])
        return ("" if already else SPEEDS[per] + " ") + f"{number} {spoken}"
    return f"{number} {spoken}" + (f" 퍼 {UNITS[per]}" if per else "")


def _expression(match: re.Match[str]) -> str:
    """A sum in words: 삼 더하기 오는 팔."""
    if not re.search(r"[+×÷*=x]", match[0]):
        return match[0]
    spoken = re.sub(r"(?<=\d)\s*([-+×÷*x])\s*(?=\d)", lambda sign: OPERATORS[sign[1]], match[0])
    left, equals, right = spoken.partition("=")
    if not equals:
        return spoken
    left = re.sub(r"\d[\d,]*$", lambda last: sino(last[0]), left.rstrip())
    return f"{left}{'은' if ends_in_consonant(left) else '는'} {right.strip()}"


def _hyphen(match: re.Match[str]) -> str:
    """What a hyphen between two numbers says: a range, a result of a game or a part of an address."""
    left, right, after = match["left"], match["right"], match.string[match.end() : match.end() + 3]
    if re.match(r"\s?(?:[년월일시분초개명원도권장회번세살층주%]|km|kg|cm|m|g|L)", after) and not after.startswith("번지"):
        return f"{left}에서 {right}"
    if _SPORTS.search(match.string, max(match.start() - _NEAR, 0), match.end() + _NEAR):
        return f"{left} 대 {right}"
    return f"{left} 다시 {right}"


def _book(match: re.Match[str]) -> str:
    """Volumes by number, but books counted: 책 세 권."""
    counted = _BOOKS.search(match.string[max(match.start() - 12, 0) : match.start()]) or re.match(
        r"의 (?:책|소설|잡지)|씩|[을를이]? ?(?:샀|사|읽|빌|썼)", match.string[match.end() : match.end() + _NEAR]
    )
    return (native if counted and int(match["n"]) <= _HIGHEST_NATIVE else sino)(match["n"]) + match["blank"] + "권"


def _counted(match: re.Match[str]) -> str:
    figures, counter = match["n"], match["counter"]
    number = int(figures.replace(",", ""))
    highest = {"살": 99, "시간": _HIGHEST_NATIVE_HOUR}.get(counter, _HIGHEST_NATIVE)
    of_age = counter == "대" and number % 10 == 0
    use_native = 0 < number <= highest and not of_age
    return (native(str(number)) if use_native else sino(figures)) + match["blank"] + counter


def _counted_range(match: re.Match[str]) -> str:
    """Neighbours as one word (두세 명), others with their counter each."""
    left, right, counter = int(match["left"]), int(match["right"]), match["blank"] + match["counter"]
    if right == left + 1 and left in NEIGHBOURS:
        return NEIGHBOURS[left] + counter
    return f"{left}{counter}에서 {right}{counter}"


def _ordinal(match: re.Match[str]) -> str:
    number = int(match["n"])
    said = "첫" if number == 1 else native(match["n"]) if 0 < number < 100 else sino(match["n"])
    return said + match["blank"] + "번째"


def _number(match: re.Match[str]) -> str:
    return decimal(match["integer"], match["fraction"]) if match["fraction"] else sino(match["integer"])


def _dotted(match: re.Match[str]) -> str:
    parts = match[0].split(".")
    address = len(parts) == 4 and all(int(part) < 256 for part in parts)
    return "점".join(digits(part, "공") if address else sino(part) for part in parts)


_SIGNS_OF_MONEY = "|".join(map(re.escape, CURRENCY_SIGNS))
_POINT = rf"(?<!\d)\d{{1,4}}(?:년|월|일|시)(?:\s?\d{{1,2}}(?:월|일|분)){{0,2}}(?:\s?[{_WEEKDAYS}]요일)?"
_NUMBERED = "출구|버스|문제|국도|트랙|타자|좌석|게이트|창구|버튼|채널|선수|염색체|교향곡|코스|방|홈|키"
_RULES: tuple[Rule, ...] = tuple(
    (re.compile(pattern) if isinstance(pattern, str) else pattern, said)
    for pattern, said in (
        # Signs that have several forms.
        (r"[〜～∼]", "~"),
        (r"[−－](?=\d)|(?<=\d)[‐‑–—―](?=\d)", "-"),
        (r"(?<=[가-힣])(?<!제)(?=\d)", " "),
        # Numbers that are read figure by figure.
        (r"\d{31,}", lambda m: digits(m[0])),
        (r"(?<![\d+])\+(?P<country>\d{1,3})[- ](?P<number>\(?\d{1,4}\)?(?:[-. ]{1,2}\d{2,4}){1,3})(?!\d)", _telephone),
        (
            r"(?<![\d.+])(?P<number>\(?0\d{1,3}\)?[-. ]{0,2}\d{3,4}[-. ]\d{4}|\(?\d{3}\)?[-. ]{1,2}\d{3,4}[-.]\d{4}|\(\d{3}\)\d{3}-\d{4})(?P<country>)(?!\d)",
            _telephone,
        ),
        (r"(?<![\d-])(?P<country>)(?P<number>\d{3,4}(?:-\d{4}){1,3}|0\d{9,10})(?![\d-])", _telephone),
        (r"(?P<lead>(?:[네4] ?자리|끝 ?자리|번호는?|코드는?|비밀번호는?)\s?)(?P<n>\d{3,20})(?![\d,.년월원])", lambda m: m["lead"] + digits(m["n"])),
        (f"(?<![A-Za-z0-9.])(?:{'|'.join(WORDS)})(?![A-Za-z0-9])", lambda m: WORDS[m[0]]),
        # Dates and times.
        (rf"(?<!\d)(?P<y>[12]\d{{3}})(?P<s>[-/.]) ?(?P<m>{_MONTH})(?P=s) ?(?P<d>{_DAY})\.?(?!\d)", lambda m: _date(m["y"], m["m"], m["d"])),
        (rf"(?<!\d)(?P<a>{_DAY})(?P<s>[-/.])(?P<b>{_DAY})(?P=s)(?P<y>[12]\d{{3}})(?!\d)", _year_last),
        (rf"(?<![\d./])(?P<y>(?:19|20)\d\d)[-/](?P<m>0[1-9]|1[0-2])(?![\d./-])", lambda m: _date(m["y"], m["m"], "")),
        (rf"(?<![\d/])(?P<m>{_MONTH})/(?P<d>{_DAY})(?![\d/])(?=\s?\([{_WEEKDAYS}]\)|까지|부터|에 )", lambda m: _date("", m["m"], m["d"])),
        (rf"(?<=[\d일])\s?\((?P<first>[{_WEEKDAYS}])(?:요일)?(?:\s?[~-]\s?(?P<last>[{_WEEKDAYS}])(?:요일)?)?\)", _weekday),
        (r"(?<=[년월일])(?=[월화수목금토일]요일)", " "),
        (r"(?<![\d:.])(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?![\d:])", _clock),
        (rf"(?P<left>{_POINT})\s?[~–-]\s?(?P<right>{_POINT})(?!까지)", _range_of_dates),
        (r"(?<!\d)0?6월", "유월"),
        (r"(?<!\d)10월", "시월"),
        (r"(?<!\d)0(?=[1-9][월일분초])", ""),
        (r"(?<![\d.])(?P<n>\d{1,2})\s?~\s?(?=\d{1,2}시(?!간))", r"\g<n>시에서 "),
        (r"(?<![\d.])(?P<h>[01]?\d|2[0-4])시(?!간|[가-힣]{2,}장)", _hour),
        (r"(?<=[시분])(?=\d)", " "),
        # Money before its number.
        (rf"(?P<minus>-)?(?:(?P<sign>{_SIGNS_OF_MONEY})|(?<![A-Za-z])(?P<code>(?i:{'|'.join(CURRENCY_CODES)})))\s?(?P<amount>(?:\d{{1,3}}(?:,\d{{3}}){{1,8}}|\d{{1,30}})(?:\.\d{{1,30}})?){_MAGNITUDE}", _money),
        (rf"(?<=[\d만억조])\s?(?P<code>{'|'.join(CURRENCY_CODES)})(?![A-Za-z])", lambda m: CURRENCY_CODES[m["code"]]),
        # Ranges, sums, fractions, ratios.
        (rf"(?<![\d.,])(?P<left>\d{{1,3}})\s?~\s?(?P<right>\d{{1,3}})(?P<blank> ?)(?P<counter>{NATIVE_COUNTERS})", _counted_range),
        (r"(?<=[\d%원도])\s?~\s?(?=-?[\d$₩€])|(?<=[가-힣])~(?=\d)", "에서 "),
        (r"(?<=[가-힣])~(?=[가-힣])", "에서 "),
        (r"(?<![\d.,A-Za-z])\d[\d,]{0,20}(?:\s?[-+×÷*=x]\s?\d[\d,]{0,20}){1,20}(?![\d.A-Za-z])", _expression),
        (r"(?<=\d) ?(?P<and>[과와]) ?(?=√?\d{1,30}/√?\d)", r"\g<and> "),
        (r"(?P<minus>-)?(?<![\d/])(?P<up>√?\d{1,30}) ?/ ?(?P<down>√?\d{1,30})(?![\d/])(?:(?P<particle>[이가은는을를과와])(?=\s|$|[.,]))?", _fraction),
        (r"(?<!\d)(?P<down>\d{1,30}) ?분의 ?(?P<up>\d{1,30})(?P<minus>)(?P<particle>)", _fraction),
        (r"(?<=\d) ?: ?(?=\d)", " 대 "),
        (r"(?<![\d.])\d{1,4}(?:\.\d{1,4}){2,6}(?!\.?\d)", _dotted),
        (r"(?<![\d.,-])(?P<left>\d{1,9}) ?- ?(?P<right>\d{1,9})(?!\.?\d|-)", _hyphen),
        # Units and counters.
        (UNIT, _speed_or_unit),
        (r"(?<=[일이삼사오육칠팔구십백천만]) ?(?P<unit>km|cm|mm|kg|mg|mL|ml|m|g|L|l)(?P<per>/h)?(?![A-Za-z0-9])", lambda m: " " + UNITS[m["unit"]] + (" 퍼 시간" if m["per"] else "")),
        (r"(?<![\d\w])-(?=\d[\d.]{0,20}\s?도)", "영하 "),
        (r"(?<![\d\w])-(?=\d)", "마이너스 "),
        (r"(?<=[마이너스과와]) ?-(?=\d)", "마이너스 "),
        (r"\+(?=\d)", "플러스 "),
        (r"(?<![\d.제])(?P<n>\d{1,8})(?P<blank> ?)번째", _ordinal),
        (rf"(?<![\d.,제])(?P<n>\d{{1,30}})(?P<blank> ?)번(?= ?(?:{_NUMBERED}))", lambda m: sino(m["n"]) + m["blank"] + "번"),
        (r"(?<![\d.,제])(?P<n>\d{1,6})(?P<blank> ?)권", _book),
        (rf"(?<![\d.,제])(?P<n>\d{{1,3}}(?:,\d{{3}}){{1,8}}|\d{{1,30}})(?P<blank> ?)(?P<counter>{NATIVE_COUNTERS})", _counted),
        (r"(?<![\d.])(?P<integer>\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.(?P<fraction>\d{1,30}))?", _number),
        # Signs and letters.
        ("|".join(map(re.escape, SIGNS)), lambda m: SIGNS[m[0]]),
        (r"(?<=[A-Za-z가-힣])\.(?=[A-Za-z]{2,4}(?![A-Za-z]))", " 닷 "),
        (r"[A-Za-z]", lambda m: LETTERS[m[0].lower()]),
        (r"  +", " "),
    )
)


def normalize(text: str) -> str:
    """Korean text in words: 3월 15일 is 삼월 십오일, 3개 세개; letters are spelt."""
    for pattern, said in _RULES:
        text = pattern.sub(said, text)
    return text
