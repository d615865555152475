"""Korean words by the mecab-ko-dic dictionary, and what the sound rules need to know of them."""

from functools import cache

from timbral.text.g2p.korean.jamo import decompose, with_coda, with_tense_onset
from timbral.text.g2p.lattice import Lexicon, load

_STEM_CODAS, _ENDING_CODA = "ᆫᆬᆷᆱᆰᆲᆴ", "ᆯ"
_NEUTRAL = dict(zip("ᆩᆿᆪᆰᆺᆻᆽᆾᇀᇂᇁᆹᆵ", "ㄱㄱㄱㄱㄷㄷㄷㄷㄷㄷㅂㅂㅂ", strict=True))
_OPEN_VOWELS = frozenset("ᅡᅢᅥᅦᅩᅪᅮᅯᅱ")
_TENSE_NOUNS = """
인기 조건 사건 안건 여건 용건 요건 문건 문법 헌법 민법 형법 어법 편법 한자 문자 글자 숫자 여권 인권 정권
주권 증권 판권 채권 소유권 물가 대가 평가 주가 원가 단가 고가 정가 유가 초점 장점 단점 문제점 관점 시점
요점 강점 허점 쟁점 중점 원점 만점 성과 효과 내과 외과 치과 안과 소아과 성격 인격 출발점 공통점 차이점
재산권 참정권 선거권 술잔 밤길 산길 눈길 손길 발길 물길 길가 강가 바닷가 눈사람 등불 촛불 손등 발등 물개
안방 아침밥 점심밥 저녁밥 비빔밥 볶음밥 김밥 보름달 초승달 그믐달 잠자리
"""
_TENSE_AT_THE_END = frozenset(_TENSE_NOUNS.split())
"""Nouns whose last syllable becomes tense for no reason that spelling shows (Standard Pronunciation 28, and Sino-Korean ones)."""
_SINO_IN_L = frozenset(
    "갈걸결골굴날달돌말멸몰물밀발벌별불살설솔술슬실알얼열올월율을일절졸줄질찰철촬출칠탈팔필할혈홀활흘힐"
)
_SINO_TENSED = frozenset(
    "동등도대단당덕독두득산살상색생서석선설성세소속손송수순술승시식신실심십자작장재쟁저적전절점접정제조족존종좌죄주준중증지직진질집징"
)


@cache
def _lexicon() -> Lexicon:
    lexicon, _ = load("ko_words.npz.xz")
    lexicon.penalize_after_blank([int(features.split(",")[1]) for features in lexicon.classes])
    return lexicon


def mark_grammar(text: str) -> str:
    """The text with what no spelling shows: /P after stems of verbs, /E after endings in -ㄹ, irregular sounds respelt.

    Within Sino-Korean nouns and numerals ㄷ, ㅅ and ㅈ are tense after ㄹ (Standard Pronunciation 26); a coda before
    a noun or verb in a vowel is said as at the end of a word (15).
    """
    lexicon = _lexicon()
    words = lexicon.split(text)
    tags = [lexicon.classes[word.word_class].split(",")[0] for word in words]
    marked, place = "", 0
    for index, (word, tag) in enumerate(zip(words, tags, strict=True)):
        marked += text[place : word.start]
        said = text[word.start : word.end]
        place = word.end
        coda = decompose(said[-1])[-1]
        following = words[index + 1] if index + 1 < len(words) and words[index + 1].start == place else None
        if tag == "NNG":
            said = _tensed(said)
        if following and coda in _NEUTRAL and tag[0] in "NM" and _is_stem(text[place], tags[index + 1]):
            said = said[:-1] + with_coda(said[-1], _NEUTRAL[coda])
        if tag.startswith("E") and coda == _ENDING_CODA:
            said += "/E"
        elif tag.startswith("V") and coda in _STEM_CODAS:
            said += "/P"
        marked += said
    return marked + text[place:]


def _is_stem(syllable: str, tag: str) -> bool:
    """Whether a noun or verb in an open vowel, or 있, begins with the syllable."""
    if tag[:2] not in ("NN", "VA", "VV"):
        return False
    jamo = decompose(syllable)
    return jamo[0] == "ᄋ" and (syllable == "있" or jamo[1:2] in _OPEN_VOWELS)


def _tensed(noun: str) -> str:
    syllables = list(noun)
    for index in range(1, len(noun)):
        left, right = noun[index - 1], noun[index]
        if left in _SINO_IN_L and right in _SINO_TENSED:
            syllables[index] = with_tense_onset(right)
    if noun in _TENSE_AT_THE_END:
        syllables[-1] = with_tense_onset(noun[-1])
    return "".join(syllables)
