"""Which words in capitals are read letter by letter: GPU, but not NASA, nor a word that is only shouted."""

import re

from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.lexicon import Phones

_SPELLED = frozenset(
    "us it ad bc am pm er or is pe id un eu uk uae usa ai ar vr pr hr ir tv pc mac ml ios os io ip dna rna led lcd url "
    "who mit aids_ ucla cia fbi nba nfl mls nhl ufc ceo cto cfo coo vip faq diy eta rip mba phd md rn er icu gps gpa sat "
    "act_ apa ipa asa ama aaa aa bp cd dvd cpu gpu tpu npu ram_ hdd ssd usb hdmi api sdk ide gui_ cli sql xml html css rpc "
    "ssh vpn isp dns ddos sms mms pdf ppt csv rss lgbt lgbtq asmr bbc cnn nbc abc hbo bmw ibm kfc ups dhl nyc la_ dc wto imf "
    "esl tba tbd btw omg wtf fyi rsvp ngo hiv ivf adhd ptsd ocd mri ekg ecg emt sos pow mia est pst edt cst mst pdt gmt utc".split()
)
"""Acronyms that are spelled although they could be words."""
_SAID = frozenset(
    "nasa nato opec unesco unicef aids scuba radar laser sonar fifa fema nafta sars swat norad yolo fomo midi covid gif jpeg "
    "ram rom sim pin lan wan raid bios ascii cuda json yaml ajax nvidia intel asus lego ikea visa ted uber tesla sega nasdaq "
    "hamas isis opec potus scotus darpa noaa osha gaap mensa aspca_ ascap dos wac gatt zip png_ lol asean brics moma toefl ieee_".split()
)
"""Acronyms that are words."""
_SHORT_WORDS = frozenset(
    "in to of on as at be by do go he if me my no so up we an oh hi the and you not all are but can had her was one our out "
    "day get has him his how man new now old see two way boy did its let put say she too use yes end big bad fun red top off "
    "own why any few got ask try run far far hot god war win ten six sir mom dad car bus dog cat eat fly buy pay cut hit sex "
    "gun law job art box key low ago add age air arm bed boy cup die dry due ear egg eye fat fit fix gas hat ice ill joy kid "
    "leg lie lot map mix mud nor nut oil pan pet pop raw row sad sea sit sky son sun tax tea tie tip toy van via wet yet zoo".split()
)
"""Words of two and three letters that are shouted rather than spelled."""
_SHORTEST_WORD = 4
_SHORTEST_UNKNOWN_WORD = 6
_UNSPEAKABLE = re.compile(
    "[^aeiouy]{4}|(?!s[cpt][hlr]|[cst]h[rlm]|tch|ght|n[cdgkst][hlrs]|[lnr][cdfgklmnpstvz][hlrst]|m[bp][hlrst]|sch|ck[lnrs]"
    "|pph|[dt]t[hl]|ss[t]|x[ct]r)[^aeiouy]{3}"
)
"""Consonants in a row that no English word has."""
_VOWELS = frozenset("AEIOUY")


def is_spelled(capitals: str, *, shouted: bool) -> bool:
    """Whether a word in capitals is read letter by letter.

    shouted: its whole sentence is in capitals, so that capitals mean nothing.
    """
    word = capitals.lower().strip("'")
    if word in _SAID:
        return False
    known = lexicon.word(word) is not None
    if shouted and known:
        return False
    if word in _SPELLED:
        return True
    if len(word) < _SHORTEST_WORD:
        return word not in _SHORT_WORDS
    if known:
        return False
    return len(word) < _SHORTEST_UNKNOWN_WORD or _VOWELS.isdisjoint(capitals) or bool(_UNSPEAKABLE.search(word))


def spell(letters: str) -> Phones:
    """The names of letters."""
    return tuple(phone for letter in letters if letter.isalpha() for phone in _name(letter.lower()))


def names_letters(spelling: str, phones: Phones) -> bool:
    """Whether a dictionary has a word as the names of its letters, whatever their stress: html."""
    if len(spelling) > _SHORTEST_UNKNOWN_WORD:
        return False
    return [phone.rstrip("012") for phone in phones] == [phone.rstrip("012") for phone in spell(spelling)]


def _name(letter: str) -> Phones:
    return ("EY1",) if letter == "a" else lexicon.word(letter) or ()
