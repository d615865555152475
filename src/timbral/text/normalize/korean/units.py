"""Units, currencies, counters and letters of Korean text with what is said for them."""

import re

_PREFIXED = {
    "m": "미터",
    "g": "그램",
    "L": "리터",
    "l": "리터",
    "W": "와트",
    "V": "볼트",
    "A": "암페어",
    "Hz": "헤르츠",
    "Pa": "파스칼",
    "J": "줄",
    "N": "뉴턴",
    "B": "바이트",
    "bps": "비피에스",
    "cal": "칼로리",
    "Wh": "와트시",
    "Ah": "암페어시",
    "s": "초",
    "Ω": "옴",
    "Sv": "시버트",
    "Bq": "베크렐",
    "mol": "몰",
    "b": "비트",
}
_PREFIXES = {
    "": "",
    "k": "킬로",
    "K": "킬로",
    "M": "메가",
    "G": "기가",
    "T": "테라",
    "P": "페타",
    "h": "헥토",
    "d": "데시",
    "c": "센티",
    "m": "밀리",
    "μ": "마이크로",
    "µ": "마이크로",
    "n": "나노",
}
_PLAIN = {
    "%p": "퍼센트포인트",
    "%": "퍼센트",
    "℃": "도",
    "°C": "도",
    "°": "도",
    "ha": "헥타르",
    "cc": "시시",
    "dB": "데시벨",
    "ppm": "피피엠",
    "rpm": "알피엠",
    "fps": "에프피에스",
    "px": "픽셀",
    "in": "인치",
    "inch": "인치",
    "ft": "피트",
    "yd": "야드",
    "lb": "파운드",
    "oz": "온스",
    "mi": "마일",
    "mph": "마일 퍼 시간",
    "kt": "노트",
    "t": "톤",
    "min": "분",
    "h": "시간",
    "hr": "시간",
    "sec": "초",
    "KM": "킬로미터",
    "KG": "킬로그램",
    "CM": "센티미터",
}
UNITS = {
    prefix + unit: spoken_prefix + spoken
    for unit, spoken in _PREFIXED.items()
    for prefix, spoken_prefix in _PREFIXES.items()
    if not (unit == "s" and prefix not in ("", "m", "μ", "µ", "n"))
} | _PLAIN
"""Units after a number."""

POWERS = {"²": "제곱", "2": "제곱", "³": "세제곱", "3": "세제곱"}
_ANY = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
_METRES = "|".join(sorted((unit for unit in UNITS if UNITS[unit].endswith("미터")), key=len, reverse=True))
_NUMBER = r"(?<![\d,./])-?\d{1,30}(?:[,./]\d{1,30}){0,8}"
UNIT = re.compile(
    rf"(?P<number>{_NUMBER}) ?(?:(?P<length>{_METRES})\^?(?P<power>[23²³])|(?P<unit>{_ANY}))"
    rf"(?:/(?P<per>{_ANY}))?(?![A-Za-z0-9])"
)
"""A number with its unit, perhaps in a power, or above another unit."""
UNIT_AFTER_WORD = re.compile(
    rf"(?<=[일이삼사오육칠팔구십백천만]) ?(?P<unit>{_ANY})(?:/(?P<per>{_ANY}))?(?![A-Za-z0-9])"
)
"""A unit after a number in words, such as a fraction."""

SPEEDS = {"h": "시속", "hr": "시속", "s": "초속", "sec": "초속", "min": "분속"}

CURRENCY_SIGNS = {
    "US$": " 달러",
    "HK$": " 홍콩 달러",
    "A$": " 호주 달러",
    "C$": " 캐나다 달러",
    "NT$": " 대만 달러",
    "S$": " 싱가포르 달러",
    "$": " 달러",
    "€": " 유로",
    "£": " 파운드",
    "¥": " 엔",
    "￥": " 엔",
    "₩": "원",
    "￦": "원",
}
CURRENCY_CODES = {
    "KRW": "원",
    "USD": " 달러",
    "EUR": " 유로",
    "JPY": " 엔",
    "GBP": " 파운드",
    "CNY": " 위안",
    "HKD": " 홍콩 달러",
    "TWD": " 대만 달러",
    "CAD": " 캐나다 달러",
    "AUD": " 호주 달러",
    "NZD": " 뉴질랜드 달러",
    "SGD": " 싱가포르 달러",
    "CHF": " 스위스 프랑",
    "AED": " 아랍에미리트 디르함",
    "INR": " 인도 루피",
    "THB": " 태국 바트",
    "VND": " 베트남 동",
    "RUB": " 러시아 루블",
}

OPERATORS = {
    "+": " 더하기 ",
    "-": " 빼기 ",
    "×": " 곱하기 ",
    "*": " 곱하기 ",
    "x": " 곱하기 ",
    "÷": " 나누기 ",
}
SIGNS = {
    "℃": "도",
    "°": "도",
    "№": "번호 ",
    "√": "루트 ",
    "±": "플러스마이너스 ",
    "×": " 곱하기 ",
    "÷": " 나누기 ",
    "@": " 골뱅이 ",
    "&": " 앤드 ",
    "₩": "원",
    "$": "달러",
    "€": "유로",
    "£": "파운드",
    "¥": "엔",
    "%": "퍼센트",
    "α": "알파",
    "β": "베타",
    "γ": "감마",
    "π": "파이",
    "μ": "뮤",
    "Ω": "옴",
    "Δ": "델타",
}

_LETTER_NAMES = "에이 비 씨 디 이 에프 지 에이치 아이 제이 케이 엘 엠 엔 오 피 큐 알 에스 티 유 브이 더블유 엑스 와이 제트"
LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _LETTER_NAMES.split(), strict=True))

NATIVE_COUNTERS = (
    "시간|군데|그루|마리|모금|사람|가지|켤레|송이|자루|그릇|조각|방울|묶음|봉지|상자|박스|바퀴|걸음|다발|포기|가닥|접시|자리|두름|"
    "뭉치|꾸러미|벌|줄|쌍|척|칸|끼|입|손|톨|곳|근|컵|팀|술|땀|살|잔|배(?!럴|수|당|송|출|분|율|심)|"
    "개(?![월국년소사교성관각부띠])|명(?!령|분|칭|의|단)|병(?!동|실|원)|장(?!조|단|관|점|기|소|면)|"
    r"대(?!\s?\d|학|표|회|상|부|비|략|로|문|국)|번(?!지|호)|채(?!널)|통(?!화|신)|판(?!매|정|사|결|단)|달(?!러)|"
    r"단(?=\s|$)|모(?=\s|$)|알(?=\s|$|을|씩)"
)
"""Counters that ask for native numerals."""

WORDS = {
    "3G": "쓰리지",
    "4G": "포지",
    "5G": "파이브지",
    "2D": "투디",
    "3D": "쓰리디",
    "4K": "포케이",
    "8K": "팔케이",
}
_NEIGHBOURS = "한두 두세 서너 네다섯 대여섯 예닐곱 일고여덟 여덟아홉"
NEIGHBOURS = dict(enumerate(_NEIGHBOURS.split(), 1))
"""Two numbers in a row as one word, by the first of them."""
