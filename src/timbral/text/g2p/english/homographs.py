"""English words with two pronunciations, told apart by the words around them.

A linear classifier for each word, and one that tells verbs from nouns and adjectives, for all words together. They are
trained on the homograph data of Gorman, Mazovetskiy and Nikolaev ("Improving homograph disambiguation with supervised
machine learning", LREC 2018) by recipes/text/train_homographs.py.
"""

from collections.abc import Sequence
from functools import cache

from timbral.text.g2p.english import lexicon
from timbral.text.g2p.english.lexicon import Phones
from timbral.text.normalize.english.word_lists import word_list
from timbral.text.resources import read_lines

_MODALS = word_list("modals")
_PERFECT = word_list("perfect")
_ADVERBS = word_list("adverbs")
_PAST = word_list("past")
_CUES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    word: (frozenset(first.split()), frozenset(second.split()))
    for word, first, second in (
        ("bow", "ship stern deck boat hull take took takes final deep head down applause audience king queen before respectfully",
         "arrow arrows tie ribbon violin hair string strings knot gift red crossbow archer cello shoot hunting"),
        ("tear", "apart wear paper page muscle ligament hole pages open",
         "eye eyes cheek cheeks cry crying wept gas duct ducts sadness shed rolled drop joy"),
        ("tears", "apart muscle ligament paper", "eyes eye cheeks cry crying joy burst in of sadness shed"),
        ("bass", "guitar player drum drums sing sang music sound clef bassist jazz line treble double amplifier",
         "fish fishing caught lake river pond sea trout largemouth striped boat"),
        ("wound", "around clock watch tightly through coil tape string yarn wire",
         "heal healed blood bleeding knife bullet gunshot open deep infected soldier bandage"),
        ("lead", "", "pipe pipes paint poisoning zinc copper mercury metal bullets pencil unleaded heavy toxic molten"),
        ("sow", "seeds seed reap discord fields", "pig pigs piglets boar farrowing"),
        ("dove", "into dived water pool off in under headfirst deep", "white peace bird pigeon turtle doves olive"),
        ("minute", "", "details detail amounts quantities particles traces differences"),
        ("mobile", "", "alabama"),
        ("invalid", "ticket argument value number password input claim code vote is was an", "bed nursing wheelchair elderly"),
        ("desert", "us me him her them never army post", "sand dry sahara hot camel"),
        ("refuse", "", "bin dump garbage collection collected heap disposal waste"),
        ("content", "table website web video online page digital alcohol fat water sugar", "with perfectly be feel felt to"),
    )
}  # fmt: skip
"""Words near a homograph that speak for its first or second pronunciation, where the data have too few sentences."""
_CUE = 250
_DETERMINERS = word_list("determiners")
_SUBJECTS = word_list("subjects")
_PARTICLES = word_list("particles")
_PARTICLES = frozenset(["it", "them", "him", "me", "us", "up", "down", "apart"])
_OBJECTS = word_list("objects")
VERB = "*"
"""Stands for the word in the features of the classifier of verbs."""
_WINDOW = 5
_NEAR = 3
_BE = frozenset(["be", "am", "is", "are", "was", "were", "been", "being", "get", "gets", "got", "getting"])


def homograph(tokens: Sequence[str], index: int) -> Phones | None:
    """Phones of a word with two pronunciations in a sentence; None for any other word."""
    spelling = tokens[index].lower()
    entry = lexicon.homographs().get(spelling)
    if entry is None:
        return None
    return entry.first if _is_first(tokens, index, spelling, entry.part_of_speech) else entry.second


def _is_first(tokens: Sequence[str], index: int, spelling: str, part_of_speech: str) -> bool:
    """Whether a homograph has its first pronunciation."""
    if spelling == "polish":
        return tokens[index].islower() or index == 0
    if spelling == "used":
        return _next(tokens, index) != "to" or (index > 0 and tokens[index - 1].lower() in _BE)
    if part_of_speech == "JJ":
        return _next(tokens, index).isalpha()
    if spelling == "read":
        return _is_present(tokens, index)
    score = _score(tokens, index, spelling)
    if part_of_speech == "V":
        score += _score(tokens, index, VERB) + _grammar(tokens, index)
    elif part_of_speech == "VN":
        score += max(_grammar(tokens, index), 0)
    return score > 0


def _next(tokens: Sequence[str], index: int) -> str:
    return tokens[index + 1].lower() if index + 1 < len(tokens) else "."


def _score(tokens: Sequence[str], index: int, word: str) -> int:
    weights = _weights().get(word, {})
    score = sum(weights.get(feature, 0) for feature in features(tokens, index))
    if word in _CUES:
        near = {token.lower() for token in tokens[max(index - _NEAR, 0) : index + 1 + _NEAR]}
        first, second = _CUES[word]
        score += _CUE * (bool(near & first) - bool(near & second))
    return score


def _grammar(tokens: Sequence[str], index: int) -> int:
    """What grammar says for a verb (> 0) or against it where encyclopedias, the source of the data, seldom go."""
    before = [token.lower() for token in tokens[max(index - 4, 0) : index]]
    while before and (before[-1] in _ADVERBS or before[-1].endswith("ly")):
        before.pop()
    last, following = before[-1] if before else ".", _next(tokens, index)
    plural = tokens[index].lower().endswith("s")
    if last in _DETERMINERS:
        return -_CUE
    if following in _PARTICLES:
        return 0 if plural else _CUE
    if last in _SUBJECTS or (last in _MODALS and last != "to"):
        return 0 if plural else _CUE
    if last in (".", ",", "?", "!") and following in _OBJECTS:
        return 0 if plural else _CUE
    if last.endswith("s") and len(last) > 3 and not plural and "'" not in last:
        return _CUE // 2
    return 0


def _is_present(tokens: Sequence[str], index: int) -> bool:
    """Whether "read" is no past form: after "to" and modal verbs, after "I" without a sign of the past."""
    before = [token.lower() for token in tokens[:index]]
    while before and (before[-1] in _ADVERBS or before[-1].endswith("ly")):
        if before[-1] in ("widely",):
            return False
        before.pop()
    last = before[-1] if before else ""
    if last in _MODALS or (not last.isalpha() and "'" not in last):
        return True
    if last in _PERFECT or last in ("he", "she", "it", "who"):
        return False
    others = {token.lower() for position, token in enumerate(tokens) if position != index}
    past = bool(others & _PAST) or any(word.endswith("ed") and len(word) > 4 for word in others)
    if last in ("i", "you", "we", "they", "and", "or") or last.endswith("s"):
        return not past
    return last in ("the", "a", "good", "great", "quick", "this", "must", "of", "people", "children")


def features(tokens: Sequence[str], index: int) -> list[str]:
    """What the classifiers see of a word: its neighbours, their endings, words near by, whether it has a capital."""
    words = [token.lower() for token in tokens]
    before = ["", "", *words[:index]][-2:]
    after = [*words[index + 1 : index + 3], "", ""][:2]
    near = {*words[max(index - _WINDOW, 0) : index], *words[index + 1 : index + 1 + _WINDOW]}
    return [
        "",
        f"-1 {before[1]}",
        f"-2 {before[0]}",
        f"+1 {after[0]}",
        f"+2 {after[1]}",
        f"-- {before[0]} {before[1]}",
        f"++ {after[0]} {after[1]}",
        f"-+ {before[1]} {after[0]}",
        f"-s {before[1][-2:]}",
        f"-e {before[1][-3:]}",
        f"+s {after[0][-2:]}",
        f"+e {after[0][-3:]}",
        *(f"~ {word}" for word in sorted(near)),
        *(["A"] if tokens[index][:1].isupper() and index else []),
    ]


@cache
def _weights() -> dict[str, dict[str, int]]:
    """Weights of features by word."""
    weights: dict[str, dict[str, int]] = {}
    for line in read_lines("en_homograph_weights.txt.xz"):
        word, feature, weight = line.split("\t")
        weights.setdefault(word, {})[feature] = int(weight)
    return weights
