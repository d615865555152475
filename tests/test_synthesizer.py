"""The Python API on the embedded model: clone, say, stream, and what it refuses."""

import dataclasses
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timbral
from tests.helpers.paths import DATA
from timbral import Audio, Speech, Synthesizer, TimbralWarning, Voice
from timbral.audio.levels import frame_levels
from timbral.audio.resampling import resample
from timbral.errors import (
    AudioError,
    BundleError,
    SettingError,
    SynthesisError,
    TextError,
    VoiceError,
)
from timbral.inference.reference_encoder import ReferenceEncoder
from timbral.inference.sessions import SessionOptions
from timbral.voices import Prosody

ENGLISH, CHINESE = DATA / "english.flac", DATA / "chinese.flac"
TRANSCRIPT = "Well, what can't be done by main courage and war must be done by circumvention."
TWO_SENTENCES = "It had rained all night in the old town. Nobody saw the dog run out into the wet grass."


@pytest.fixture(scope="module")
def tts() -> Synthesizer:
    return timbral.load(device="cpu", threads=1, languages=())


@pytest.fixture(scope="module")
def voice(tts: Synthesizer) -> Voice:
    return tts.clone(ENGLISH)


@pytest.fixture(scope="module")
def speech(tts: Synthesizer, voice: Voice) -> Speech:
    return tts.say(TWO_SENTENCES, voice, seed=1)


def assert_speech(audio: Audio, shortest: float, longest: float) -> None:
    assert audio.samples.dtype == np.float32
    assert audio.samples.ndim == 1
    assert np.isfinite(audio.samples).all()
    assert shortest <= audio.duration <= longest
    assert 0.05 < np.abs(audio.samples).max() <= 1
    levels = frame_levels(audio.samples, audio.rate)
    assert np.percentile(levels, 90) - levels.min() > 15


def test_the_first_example_of_the_documentation(tts: Synthesizer, tmp_path: Path) -> None:
    voice = tts.clone(str(ENGLISH), text=TRANSCRIPT)
    audio = tts.say("你好, world!", voice)
    audio.save(tmp_path / "out.wav")
    assert_speech(audio, 0.5, 5)
    voice.save(tmp_path / "me.voice")
    Voice.load(tmp_path / "me.voice").check_fit(tts.manifest)


@pytest.mark.parametrize(
    ("text", "recording", "shortest", "longest"),
    [
        ("The boats in the harbour began to move slowly out to sea.", ENGLISH, 2, 7),
        ("港口里的小船开始慢慢地驶向大海。", CHINESE, 2, 7),
        ("我昨天买了一个 new phone，花了 3500 元。", CHINESE, 2.5, 9),
        ("嗯。", CHINESE, 0.15, 2),
        ("OK", ENGLISH, 0.2, 2),
        ("Yes!", ENGLISH, 0.2, 2),
    ],
)
def test_texts_last_as_long_as_people_take(
    tts: Synthesizer, text: str, recording: Path, shortest: float, longest: float
) -> None:
    audio = tts.say(text, tts.clone(recording), seed=0)
    assert_speech(audio, shortest, longest)


def test_a_transcript_makes_a_prompt(tts: Synthesizer) -> None:
    with_text, without = tts.clone(ENGLISH, text=TRANSCRIPT, language="en"), tts.clone(ENGLISH)
    assert 25 * 4 < len(with_text.prompt_tokens) < 25 * 5.2
    assert len(with_text.prompt_phones) > 40
    assert len(without.prompt_tokens) == len(without.prompt_phones) == 0
    np.testing.assert_array_equal(with_text.timbre, without.timbre)
    assert_speech(tts.say("A short sentence for a test.", with_text, seed=0), 1, 5)


def test_a_transcript_of_something_else_is_noted(tts: Synthesizer) -> None:
    with pytest.warns(TimbralWarning, match="transcript"):
        tts.clone(ENGLISH, text="Yes.")


def test_several_recordings_make_one_voice(tts: Synthesizer) -> None:
    both = tts.clone(ENGLISH, CHINESE.read_bytes())
    listed = tts.clone([str(ENGLISH), CHINESE])
    one = tts.clone(ENGLISH)
    np.testing.assert_allclose(both.timbre, listed.timbre, atol=1e-5)
    assert np.abs(both.timbre - one.timbre).max() > 1e-3
    assert both.sources == ("english.flac",)


def test_what_is_remembered_of_a_voice_brings_it_nearer(tts: Synthesizer) -> None:
    ears = ReferenceEncoder.open(tts.bundle, SessionOptions(device="cpu", threads=1))
    gained = []
    for recording in (ENGLISH, CHINESE):
        voice = tts.clone(recording)
        assert voice.residuals is not None
        forgetful = dataclasses.replace(voice, residuals=None)
        with_memory, without = (
            ears.timbre([{16_000: resample(speech.samples, speech.rate, 16_000)}])[:256]
            for speech in (tts.say(TWO_SENTENCES, v, seed=1) for v in (voice, forgetful))
        )
        speaker = voice.timbre[:256] / 256
        gained.append(float(speaker @ with_memory - speaker @ without))
    # Cosines of speaker embeddings, whose length is 16.
    assert min(gained) > 0


def test_the_same_seed_is_the_same_sound(tts: Synthesizer, voice: Voice, speech: Speech) -> None:
    again = tts.say(TWO_SENTENCES, voice, seed=1)
    np.testing.assert_array_equal(again.samples, speech.samples)
    other = tts.say(TWO_SENTENCES, voice, seed=2)
    assert len(other.samples) != len(speech.samples) or (other.samples != speech.samples).any()
    drawn = tts.say("Any seed will do.", voice)
    repeated = tts.say("Any seed will do.", voice, seed=drawn.report.seed)
    np.testing.assert_array_equal(drawn.samples, repeated.samples)


def test_a_saved_voice_sounds_the_same(
    tts: Synthesizer, voice: Voice, speech: Speech, tmp_path: Path
) -> None:
    voice.save(tmp_path / "a.voice")
    again = tts.say(TWO_SENTENCES, Voice.load(tmp_path / "a.voice"), seed=1)
    np.testing.assert_array_equal(again.samples, speech.samples)


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_a_stream_is_the_same_sound_in_pieces(
    tts: Synthesizer, voice: Voice, speech: Speech, rate: int
) -> None:
    with tts.stream(TWO_SENTENCES, voice, seed=1, rate=rate) as stream:
        chunks = list(stream)
    assert len(chunks) >= 4
    assert chunks[0].duration < 2
    assert {chunk.rate for chunk in chunks} == {rate}
    samples = np.concatenate([chunk.samples for chunk in chunks])
    assert stream.progress == 1
    whole = speech if rate == speech.rate else tts.say(TWO_SENTENCES, voice, seed=1, rate=rate)
    np.testing.assert_array_equal(samples, whole.samples)


def test_the_report_adds_up(speech: Speech) -> None:
    report = speech.report
    assert report.audio_s == pytest.approx(speech.duration)
    assert report.sentences == 2
    assert report.tokens >= 25 * 3
    assert report.first_s is not None
    assert 0 < report.first_s <= report.total_s
    stages = (report.text_s, report.prefill_s, report.decode_s, report.acoustic_s)
    assert all(seconds > 0 for seconds in stages)
    assert sum(stages) <= report.total_s * 1.01
    assert report.rtf == pytest.approx(report.total_s / report.audio_s)


def test_speed_divides_the_duration(tts: Synthesizer, voice: Voice, speech: Speech) -> None:
    for speed in (0.75, 1.5):
        changed = tts.say(TWO_SENTENCES, voice, seed=1, speed=speed, pause=0)
        plain = tts.say(TWO_SENTENCES, voice, seed=1, pause=0)
        assert changed.duration == pytest.approx(plain.duration / speed, rel=0.03)


def test_pauses_lie_between_sentences(tts: Synthesizer, voice: Voice, speech: Speech) -> None:
    longer = tts.say(TWO_SENTENCES, voice, seed=1, pause=1.3)
    assert len(longer.samples) - len(speech.samples) == round(1.3 * 24_000) - round(0.3 * 24_000)


def test_the_pause_is_what_is_heard_between_sentences(speech: Speech) -> None:
    levels = frame_levels(speech.samples, speech.rate)
    loud = np.flatnonzero(levels > levels.max() - 38)
    assert np.diff(loud).max() * 0.01 == pytest.approx(0.3, abs=0.08)


def test_a_voice_speaks_at_its_own_pace(tts: Synthesizer, voice: Voice) -> None:
    slow, fast = (
        tts.say(TWO_SENTENCES, dataclasses.replace(voice, prosody=Prosody(pace=pace)), seed=1, pause=0)
        for pace in (1.2, 0.9)
    )
    assert slow.duration / fast.duration == pytest.approx(1.2 / 0.9, rel=0.1)


def test_seeds_differ_in_rhythm(tts: Synthesizer, voice: Voice) -> None:
    lengths = [tts.say("Nobody saw the dog run.", voice, seed=seed).duration for seed in range(5)]
    assert len(set(lengths)) > 1
    assert max(lengths) / min(lengths) < 1.3


def test_how_a_speaker_speaks_is_measured(tts: Synthesizer) -> None:
    told, untold = tts.clone(ENGLISH, text=TRANSCRIPT, language="en"), tts.clone(ENGLISH)
    for one in (told, untold):
        assert one.prosody is not None
        assert one.prosody.pitch_range is not None
        assert 0.08 < one.prosody.pitch_range < 0.45
        assert one.prosody.pace is not None
        assert 0.8 < one.prosody.pace < 1.25
        assert one.prosody.pause is None or 0.1 < one.prosody.pause < 1


def test_a_pause_mark_is_as_long_as_it_says(tts: Synthesizer, voice: Voice) -> None:
    short, long = (
        tts.say(f"One moment please. [pause {seconds}s] Here we are again.", voice, seed=1).duration
        for seconds in (0.5, 2)
    )
    assert long - short == pytest.approx(1.5, abs=0.01)


def test_words_are_read_as_lexicons_say(tts: Synthesizer, voice: Voice, tmp_path: Path) -> None:
    text, words = "Ask Kvothe about it.", "Kvothe\ten\tK W OW1 TH\n"
    given = tts.say(text, voice, seed=1, lexicon=timbral.Lexicon.parse(words, "words")).samples
    assert not np.array_equal(given, tts.say(text, voice, seed=1).samples)
    voice.save(tmp_path / "me.voice")
    (tmp_path / "lexicon.tsv").write_text(words, "utf-8")
    np.testing.assert_array_equal(tts.say(text, tmp_path / "me.voice", seed=1).samples, given)


def test_a_model_folder_may_hold_a_lexicon(tts: Synthesizer, voice: Voice, tmp_path: Path) -> None:
    shutil.copytree(tts.bundle.folder, tmp_path / "model")
    (tmp_path / "model" / "lexicon.tsv").write_text("Kvothe\ten\tK W OW1 TH\n", "utf-8")
    model = timbral.load(tmp_path / "model", device="cpu", languages=())
    text = "Ask Kvothe about it."
    assert not np.array_equal(model.say(text, voice, seed=1).samples, tts.say(text, voice, seed=1).samples)


def test_sentences_are_joined_without_clicks(speech: Speech) -> None:
    samples = speech.samples
    assert abs(samples[0]) < 1e-3
    assert abs(samples[-1]) < 1e-3
    quiet = frame_levels(samples, speech.rate) < -100
    assert quiet.sum() >= 15
    edges = np.flatnonzero(np.diff(quiet.astype(int))) + 1
    for edge in edges * 240:
        assert np.abs(np.diff(samples[max(0, edge - 240) : edge + 240])).max() < 0.1


@pytest.mark.parametrize("rate", [32_000, 48_000])
def test_other_rates_are_the_same_sound(tts: Synthesizer, voice: Voice, speech: Speech, rate: int) -> None:
    audio = tts.say(TWO_SENTENCES, voice, seed=1, rate=rate)
    assert audio.rate == rate
    assert audio.duration == pytest.approx(speech.duration, abs=0.01)


def test_threads_do_not_meet(tts: Synthesizer, voice: Voice) -> None:
    other = tts.clone(CHINESE)
    jobs = [
        ("The first of four.", voice),
        ("第二个句子。", other),
        ("And the third one.", other),
        ("第四句。", voice),
    ]
    alone = [tts.say(text, who, seed=n).samples for n, (text, who) in enumerate(jobs)]
    together: dict[int, np.ndarray] = {}

    def work(n: int) -> None:
        together[n] = tts.say(jobs[n][0], jobs[n][1], seed=n).samples

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, samples in enumerate(alone):
        np.testing.assert_array_equal(together[n], samples)


def test_a_book_starts_at_once_and_can_be_left(tts: Synthesizer, voice: Voice) -> None:
    book = " ".join(f"This is sentence number {n} of a very long book." for n in range(250))
    assert len(book) > 10_000
    with tts.stream(book, voice, seed=0) as stream:
        first = next(stream)
    assert first.duration < 2
    assert stream.report.tokens < 25 * 120
    assert stream.progress < 0.1
    assert_speech(tts.say("After the book.", voice, seed=0), 0.4, 4)


@pytest.mark.parametrize("text", ["", "  \n ", "。。。", "?!", "🙂🙂", "\u200b"])
def test_nothing_to_speak_is_said(tts: Synthesizer, voice: Voice, text: str) -> None:
    with pytest.raises(TextError):
        tts.stream(text, voice)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"language": "klingon"}, TextError),
        ({"speed": 0}, SettingError),
        ({"speed": 9}, SettingError),
        ({"speed": float("nan")}, SettingError),
        ({"pause": -1}, SettingError),
        ({"pause": 60}, SettingError),
        ({"rate": 12345}, SettingError),
        ({"temperature": -1}, SettingError),
        ({"top_k": -1}, SettingError),
        ({"top_p": 0}, SettingError),
        ({"repetition_penalty": 0}, SettingError),
        ({"steps": 8}, SettingError),
    ],
)
def test_settings_out_of_range_are_refused_at_once(
    tts: Synthesizer, voice: Voice, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        tts.stream("Hello there.", voice, **settings)
    assert "\n" not in str(caught.value)


def test_languages_of_other_models_are_refused(tts: Synthesizer, voice: Voice) -> None:
    foreign = {"ko": "안녕하세요 여러분", "ja": "こんにちは、みなさん"}
    for language in foreign.keys() - set(tts.manifest.languages):
        with pytest.raises(TextError, match=r"nothing to speak|does not speak"):
            tts.stream(foreign[language], voice)


def test_voices_of_other_models_are_refused(tts: Synthesizer, voice: Voice) -> None:
    for change in ({"family": "gpt-sovits"}, {"version": "0"}, {"timbre": voice.timbre[:3]}):
        with pytest.raises(VoiceError, match="clone it again"):
            tts.stream("Hello there.", dataclasses.replace(voice, **change))


def test_bad_recordings_are_refused(tts: Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no recording"):
        tts.clone()
    with pytest.raises(AudioError, match="no such file"):
        tts.clone(ENGLISH, tmp_path / "absent.wav")
    with pytest.raises(TextError):
        tts.clone(ENGLISH, text="...")


def test_languages_are_made_ready_on_request(tts: Synthesizer) -> None:
    tts.warm_up(["en", "zh"])
    with pytest.raises(TextError, match="does not speak yue; it speaks zh, en"):
        tts.warm_up(["en", "yue"])


def test_unknown_models_are_refused() -> None:
    with pytest.raises(BundleError, match="sovits-tiny"):
        timbral.load("absent")


def test_a_good_recording_raises_no_warning(tts: Synthesizer) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TimbralWarning)
        tts.clone(ENGLISH, text=TRANSCRIPT)


def test_speaking_needs_no_torch() -> None:
    code = (
        "import sys, timbral; tts = timbral.load(languages=()); tts.say('你好, OK?', tts.clone(sys.argv[1]));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(ENGLISH)], check=False).returncode == 0


def test_the_public_names_are_there() -> None:
    for name in timbral.__all__:
        assert getattr(timbral, name) is not None
    with pytest.raises(AttributeError):
        _ = timbral.nothing


def test_a_transcript_is_no_prompt_where_the_model_continues_none(tts: Synthesizer) -> None:
    assert not tts.manifest.semantic.prompts
    told = tts.clone(ENGLISH, text=TRANSCRIPT, language="en")
    assert len(told.prompt_tokens) > 0
    untold = dataclasses.replace(tts.clone(ENGLISH), prosody=told.prosody)
    first, second = (tts.say("Good morning.", v, "en", seed=3).samples for v in (told, untold))
    np.testing.assert_array_equal(first, second)


def test_a_recording_may_stand_in_place_of_a_voice(tts: Synthesizer, voice: Voice, speech: Speech) -> None:
    for recording in (ENGLISH, str(ENGLISH)):
        np.testing.assert_array_equal(tts.say(TWO_SENTENCES, recording, seed=1).samples, speech.samples)
    with pytest.raises(AudioError, match=r"absent\.wav: no such file"):
        tts.say("Hello.", "absent.wav")


def test_without_a_voice_it_is_the_default_one(tts: Synthesizer) -> None:
    spoken = tts.say("A fine day.", seed=1)
    np.testing.assert_array_equal(spoken.samples, tts.say("A fine day.", "default", seed=1).samples)


@pytest.mark.parametrize(
    ("arguments", "settings", "error"),
    [
        ((["en"],), {}, TextError),
        ((), {"config": {"speed": 2}}, SettingError),
        ((), {"lexicon": {"hi": "HH AY1"}}, TextError),
        ((), {"lexicon": "words.tsv"}, TextError),
    ],
)
def test_arguments_of_the_wrong_type_are_refused(
    tts: Synthesizer, voice: Voice, arguments: Any, settings: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"list|dict|str|unknown"):
        tts.say("Hello.", voice, *arguments, **settings)


@pytest.mark.parametrize("languages", [3, [3, "en"], "xx", ["zh", None]])
def test_languages_of_the_wrong_type_are_refused(tts: Synthesizer, languages: Any) -> None:
    with pytest.raises(TextError, match="does not speak"):
        tts.warm_up(languages)


@pytest.mark.parametrize("threads", ["a", -1, 1.5, 10**9])
def test_counts_of_threads_that_cannot_be_are_refused(threads: Any) -> None:
    with pytest.raises(SettingError, match="threads is"):
        timbral.load(threads=threads, languages=())


@pytest.mark.parametrize("model", [3, b"v2", ["v2"]])
def test_models_of_the_wrong_type_are_refused(model: Any) -> None:
    with pytest.raises(BundleError, match="give its name"):
        timbral.load(model)


def test_what_is_no_transcript_path_or_name_is_refused(
    tts: Synthesizer, voice: Voice, speech: Speech
) -> None:
    wrong: Any = 3
    with pytest.raises(TextError, match="int"):
        tts.clone(ENGLISH, text=wrong)
    with pytest.raises(VoiceError, match="name of the speaker"):
        timbral.Consent.of(wrong)
    with pytest.raises(AudioError, match="int"):
        speech.save(wrong)
    for use in (Voice.load, voice.save, timbral.voices.load, timbral.voices.remove):
        with pytest.raises(VoiceError, match="int"):
            use(wrong)
    with pytest.raises(VoiceError, match="int"):
        timbral.voices.save(wrong, "anna")
    with pytest.raises(VoiceError, match="int"):
        timbral.voices.save(voice, wrong)


def test_a_stream_that_is_over_has_nothing_to_collect(tts: Synthesizer, voice: Voice) -> None:
    stream = tts.stream("Hello.", voice, seed=1)
    assert stream.collect().duration > 0
    with pytest.raises(SynthesisError, match="nothing is left"):
        stream.collect()


def test_another_thread_stops_a_stream_at_once(tts: Synthesizer, voice: Voice) -> None:
    """Also before its first sound; what was given until then is whole."""
    whole = tts.say(TWO_SENTENCES, voice, seed=1).samples
    stream = tts.stream(TWO_SENTENCES * 20, voice, seed=1)
    heard = [next(stream).samples]
    stopping = threading.Timer(0.01, stream.cancel)
    stopping.start()
    heard += [chunk.samples for chunk in stream]
    samples = np.concatenate(heard)
    assert len(samples) < 5 * len(whole)
    np.testing.assert_array_equal(samples[:10_000], whole[:10_000])
    silent = tts.stream(TWO_SENTENCES, voice, seed=1)
    silent.cancel()
    assert sum(len(chunk.samples) for chunk in silent) == 0
    np.testing.assert_array_equal(tts.say(TWO_SENTENCES, voice, seed=1).samples, whole)
