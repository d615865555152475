"""Bundles of official families clone and speak as the official code does, by the API that every model has."""

import dataclasses
import json
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import timbral
from tests.helpers import import_files
from tests.helpers import official_bundles as bundles
from tests.helpers.nets_weights import greedy, relative_error
from tests.helpers.paths import DATA
from timbral import Synthesizer, TimbralWarning, Voice
from timbral.audio import read_reference
from timbral.audio.joining import AFTER, FADE, Joiner
from timbral.audio.levels import limit
from timbral.cli import main
from timbral.errors import BundleError, SettingError, VoiceError
from timbral.inference.acoustic.vits import OPENING_FRAMES
from timbral.inference.g2pw import open_g2pw
from timbral.inference.seeds import derive_seed, noise
from timbral.inference.sessions import SessionOptions
from timbral.models import read_bundle, write_manifest
from timbral.nets.mel_acoustic import mel_places
from timbral.nets.spectrogram import V3, V4, denormalized, linear_spectrogram, log_mel, normalized
from timbral.text import Utterance, to_phones, to_utterances, with_mark
from timbral.text.word_pieces import WordPieces

pytestmark = pytest.mark.usefixtures("traced")

ENGLISH, CHINESE = DATA / "english.flac", DATA / "chinese.flac"
TRANSCRIPT = "美国并没有统一的全国高中联赛"
TWO_SENTENCES = "他们说今天的天气很不错，我们去公园。I will see you there, my friend, later today."
TEXT = "他们说，今天的 weather 不错。"
FAMILIES = [*bundles.RATES]
PIECES = WordPieces({token: at for at, token in enumerate(bundles.VOCABULARY)})
SEED = 11

every_family = pytest.mark.parametrize("family", FAMILIES)
Ids = NDArray[np.int64]


@pytest.fixture(scope="module")
def models(official_bundles: dict[str, Path]) -> dict[str, Synthesizer]:
    options: dict[str, Any] = {"device": "cpu", "threads": 1, "languages": ()}
    return {family: timbral.load(folder, **options) for family, folder in official_bundles.items()}


@pytest.fixture(scope="module")
def voices(models: dict[str, Synthesizer]) -> dict[str, Voice]:
    return {family: tts.clone(CHINESE, text=TRANSCRIPT) for family, tts in models.items()}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return import_files.write(tmp_path_factory.mktemp("checkpoints"))


class Official:
    """The networks, called in the order of the official code, on the same recording and text."""

    def __init__(self, family: str, prompted: bool = True) -> None:
        self.family = family
        rates = {"v3": (24000,), "v4": ()}.get(family, ())
        sounds = read_reference(CHINESE, 16000, 32000, *rates).sounds
        self.sounds = {rate: torch.from_numpy(samples)[None] for rate, samples in sounds.items()}
        prompt = to_phones(with_mark(TRANSCRIPT))
        self.prompt_phones = torch.from_numpy(prompt.ids)[None][:, : None if prompted else 0]
        self.prompt_bert = features(prompt).half().float()[:, : None if prompted else 0]
        self.network = bundles.stage_two(family)
        self.prompt = self.content()[:, : None if prompted else 0]
        self.ge = self.timbre()

    def content(self) -> Tensor:
        """Tokens [1, T] of the recording and of the silence after it."""
        padded = torch.cat([self.sounds[16000], torch.zeros(1, 9600)], dim=1)
        return self.network.codes_of(import_files.hubert()(padded).transpose(1, 2))

    def timbre(self) -> Tensor:
        spectrum = linear_spectrogram(self.sounds[32000])
        if self.family == "v2Pro":
            return self.network.timbre(spectrum, import_files.speaker()(self.sounds[16000]))
        return self.network.timbre(spectrum)

    def tokens(self, utterance: Utterance, count: int) -> Tensor:
        """The first tokens [1, count] of a sentence, greedily."""
        phones = torch.cat([self.prompt_phones, torch.from_numpy(utterance.ids)[None]], dim=1)
        bert = torch.cat([self.prompt_bert, features(utterance)], dim=1)
        columns, start = phones.shape[1], self.prompt.shape[1]
        lengths = torch.tensor([columns]), torch.tensor([start])
        network = import_files.semantic("v2")
        logits, cache = network.prefill(phones, lengths[0], self.prompt, lengths[1], bert.transpose(1, 2))
        cache = cache.grown(columns + start + count)

        def advance(token: Tensor, step: int) -> Tensor:
            place = torch.tensor([start + step])
            return network.step(token, place, cache, columns + place)[0]

        return greedy(logits, self.prompt, count, advance)[:, start:]

    def sound(self, utterance: Utterance, tokens: Tensor, seed: int, speed: float) -> Tensor:
        """Samples [1, n] of a sentence, with the engine's noise."""
        phones = torch.from_numpy(utterance.ids)[None]
        if self.family in bundles.FLOWS:
            mel = self.mel(tokens, phones, seed, speed)
            return import_files.vocoder(self.family)(denormalized(mel))[:, 0]
        frames = 2 * tokens.shape[1]
        frames = frames if speed == 1 else int(frames / speed) + 1
        channels = self.network.config.latent
        drawn = torch.from_numpy(noise(seed, 0, frames * channels)).view(1, frames, channels)
        prior = self.network.prior(tokens, phones, self.ge)
        z = self.network.latent(prior, self.ge, 0.5 * drawn.transpose(1, 2))
        return self.network.vocode(z, self.ge)

    def length(self, tokens: int, speed: float) -> int:
        """Samples of a sentence of so many tokens."""
        if self.family in bundles.FLOWS:
            hop = {"v3": 256, "v4": 480}[self.family]
            return hop * len(mel_places(tokens, bundles.FLOWS[self.family]["mel_rate"], speed)[0])
        return 640 * (2 * tokens if speed == 1 else int(2 * tokens / speed) + 1)

    def mel(self, tokens: Tensor, phones: Tensor, seed: int, speed: float) -> Tensor:
        """Normalised mel [1, 100, M]: chunks that go on from the end of the recording."""
        shape, spectrum = bundles.FLOWS[self.family], {"v3": V3, "v4": V4}[self.family]
        said = self.features(self.prompt, self.prompt_phones, 1.0)
        audio = self.sounds[shape["mel_sample_rate"]]
        prompt = normalized(log_mel(linear_spectrogram(audio, spectrum), spectrum))
        kept = min(said.shape[2], prompt.shape[2])
        prompt, said = prompt[:, :, :kept], said[:, :, :kept]
        kept = min(kept, shape["reference_frames"])
        prompt, said = prompt[:, :, -kept:], said[:, :, -kept:]
        to_say, chunks, done = self.features(tokens, phones, speed), [], 0
        while done < to_say.shape[2]:
            new = to_say[:, :, done : done + shape["chunk_frames"] - kept]
            count = new.shape[2]
            drawn = torch.from_numpy(noise(seed, done * 100, count * 100)).view(1, count, 100)
            start = torch.cat([torch.zeros_like(prompt), drawn.transpose(1, 2)], dim=2)
            mel = self.network.cfm.solve(torch.cat([said, new], dim=2), prompt, start, bundles.STEPS)
            chunks.append(mel[:, :, prompt.shape[2] :])
            prompt, said, done = chunks[-1][:, :, -kept:], new[:, :, -kept:], done + count
        return torch.cat(chunks, dim=2)

    def features(self, tokens: Tensor, phones: Tensor, speed: float) -> Tensor:
        places, length = mel_places(tokens.shape[1], bundles.FLOWS[self.family]["mel_rate"], speed)
        prior = self.network.prior(tokens, phones, self.ge)
        return self.network.features(prior, self.ge, places, torch.tensor([length]))


def features(utterance: Utterance) -> Tensor:
    """BERT features [1, phones, 1024]: zeros for what is not Chinese."""
    rows = []
    for segment in utterance.segments:
        if segment.language == "zh":
            ids = torch.from_numpy(PIECES(segment.text).ids)[None]
            read = bundles.bert()(ids, torch.tensor([ids.shape[1]]))[0]
            rows.append(read.repeat_interleave(torch.tensor(segment.word2ph), dim=0))
        else:
            rows.append(torch.zeros(len(segment.phones), 1024))
    return torch.cat(rows)[None]


def heard(samples: Tensor, rate: int) -> Tensor:
    """What is heard of one sentence: faded at its ends, within full scale."""
    joined = Joiner(rate).push(samples[0].numpy(), last=True, pause=0)
    return torch.from_numpy(limit(joined))[None]


@every_family
@pytest.mark.parametrize(("speed", "prompted"), [(1.0, True), (1.25, True), (1.0, False)])
@torch.inference_mode()
def test_a_model_says_what_the_official_code_says(
    models: dict[str, Synthesizer], family: str, speed: float, prompted: bool
) -> None:
    if family in bundles.FLOWS and not prompted:
        pytest.skip("goes on from a recording and its transcript")
    tts = models[family]
    voice = tts.clone(CHINESE, text=TRANSCRIPT if prompted else None)
    speech = tts.say(TEXT, voice, seed=SEED, speed=speed, top_k=1, pause=0)

    official = Official(family, prompted)
    assert relative_error(torch.from_numpy(voice.timbre)[None], official.ge[:, :, 0]) < 1e-3
    np.testing.assert_array_equal(voice.prompt_tokens, official.prompt[0])
    np.testing.assert_array_equal(voice.prompt_phones, official.prompt_phones[0])
    (utterance,) = to_utterances(TEXT)
    tokens = official.tokens(utterance, speech.report.tokens)
    seed = derive_seed(derive_seed(SEED, "line", 1), "sound")
    # How many of the tokens are heard is for the guard to say; silence at the end is left out.
    said = torch.from_numpy(speech.samples)[None]
    least = len(speech.samples) - round(AFTER * speech.rate)
    kept = (n for n in range(31, tokens.shape[1] + 1) if official.length(n, speed) >= least)
    sounds = (official.sound(utterance, tokens[:, :n], seed, speed) for n in kept)
    likely = (sound for sound in sounds if heard(sound, speech.rate).shape == said.shape)
    expected = next(sound for sound in likely if relative_error(said, heard(sound, speech.rate)) < 1e-3)
    assert float(expected.std()) > 1e-3


@every_family
def test_the_same_seed_is_the_same_sound_streamed_or_not(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str
) -> None:
    tts, voice = models[family], voices[family]
    speech = tts.say(TWO_SENTENCES, voice, seed=SEED)
    with tts.stream(TWO_SENTENCES, voice, seed=SEED) as stream:
        chunks = [chunk.samples for chunk in stream]
    assert len(chunks) > 1
    np.testing.assert_array_equal(np.concatenate(chunks), speech.samples)
    other = tts.say(TWO_SENTENCES, voice, seed=SEED + 1).samples
    assert len(other) != len(speech.samples) or not np.allclose(other, speech.samples)


@pytest.mark.parametrize("family", ["v2", "v2Pro"])
def test_a_speech_begins_with_a_second_of_its_first_sentence(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str
) -> None:
    """It is heard while the rest is made; other sentences come whole, as their sound is not waited for."""
    tts = models[family]
    with tts.stream(TWO_SENTENCES, voices[family], seed=SEED) as stream:
        first = next(stream)
        assert stream.report.sentences == 0
        lengths = [len(chunk.samples) for chunk in stream]
    assert len(first.samples) == OPENING_FRAMES * 640 - int(FADE * first.rate)
    assert len(lengths) > 2
    assert max(lengths) > len(first.samples)


@every_family
def test_a_saved_voice_sounds_the_same(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str, tmp_path: Path
) -> None:
    tts, voice = models[family], voices[family]
    voice.save(tmp_path / "me.voice")
    again = Voice.load(tmp_path / "me.voice")
    assert (again.mel is None) == (family not in bundles.FLOWS)
    assert again.prompt_features is not None
    assert again.prompt_features.any()
    first, second = (tts.say("你好，再见。", who, seed=SEED).samples for who in (voice, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("family", ["v2Pro", "v3"])
def test_threads_with_different_voices_do_not_meet(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str
) -> None:
    tts = models[family]
    other = tts.clone(ENGLISH, text="Well, what can't be done by main courage must be done by circumvention.")
    jobs = [
        ("今天好。", voices[family]),
        ("Hello there.", other),
        ("他们不说。", other),
        ("Good.", voices[family]),
    ]
    alone = [tts.say(text, who, seed=n).samples for n, (text, who) in enumerate(jobs)]
    together: dict[int, NDArray[np.float32]] = {}

    def work(n: int) -> None:
        together[n] = tts.say(jobs[n][0], jobs[n][1], seed=n).samples

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, samples in enumerate(alone):
        np.testing.assert_array_equal(together[n], samples)


def test_several_recordings_are_one_timbre(models: dict[str, Synthesizer]) -> None:
    tts = models["v2Pro"]
    both, first, second = tts.clone(CHINESE, ENGLISH), tts.clone(CHINESE), tts.clone(ENGLISH)
    np.testing.assert_allclose(both.timbre, (first.timbre + second.timbre) / 2, atol=1e-6)


@pytest.mark.parametrize("family", ["v3", "v4"])
def test_more_recordings_change_the_timbre_and_not_what_is_gone_on_from(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str
) -> None:
    """The official page takes one recording for v3 and v4; here others have a say in the timbre alone."""
    tts, alone = models[family], voices[family]
    both = tts.clone(CHINESE, ENGLISH, text=TRANSCRIPT)
    other = tts.clone(
        ENGLISH, text="Well, what can't be done by main courage and war must be done by circumvention."
    )
    np.testing.assert_allclose(both.timbre, (alone.timbre + other.timbre) / 2, rtol=1e-5, atol=1e-6)
    for part in ("prompt_tokens", "prompt_phones", "prompt_features", "mel"):
        np.testing.assert_array_equal(getattr(both, part), getattr(alone, part))
    first, second = (tts.say("你好。", voice, seed=1, steps=1).samples for voice in (alone, both))
    assert len(first) == len(second)
    assert not np.allclose(first, second)


def test_steps_of_the_solver_are_chosen(models: dict[str, Synthesizer], voices: dict[str, Voice]) -> None:
    tts, voice = models["v4"], voices["v4"]
    usual, same, more = (
        tts.say("今天好。", voice, seed=1, steps=n).samples for n in (None, bundles.STEPS, 3)
    )
    np.testing.assert_array_equal(usual, same)
    assert len(more) == len(usual)
    assert not np.allclose(more, usual, atol=1e-3)
    for wrong in (0, 129):
        with pytest.raises(SettingError, match="1 to 128"):
            tts.stream("今天好。", voice, steps=wrong)


@pytest.mark.parametrize("family", [*bundles.FLOWS])
def test_a_missing_transcript_is_said(
    models: dict[str, Synthesizer], voices: dict[str, Voice], family: str
) -> None:
    tts = models[family]
    with pytest.raises(VoiceError, match="transcript") as caught:
        tts.clone(CHINESE)
    assert "\n" not in str(caught.value)
    for change in ({"mel": None}, {"prompt_tokens": np.zeros(0, np.int64)}):
        with pytest.raises(VoiceError, match="clone it again"):
            tts.stream(TEXT, dataclasses.replace(voices[family], **change))


def test_voices_of_other_versions_are_refused(
    models: dict[str, Synthesizer], voices: dict[str, Voice]
) -> None:
    with pytest.raises(VoiceError, match=r"v2-small.*v2Pro-small"):
        models["v2Pro"].stream(TEXT, voices["v2"])


def without(folder: Path, target: Path, *names: str) -> Path:
    """A copy of a bundle that lacks some of its files, sealed anew."""
    shutil.copytree(folder, target)
    for name in names:
        (target / name).unlink()
    (target / "bundle.json").unlink()
    write_manifest(target, bundles.description("v2"))
    return target


def test_a_model_without_bert_says_so_once_and_speaks(
    official_bundles: dict[str, Path], voices: dict[str, Voice], tmp_path: Path
) -> None:
    folder = without(official_bundles["v2"], tmp_path / "m", "bert.onnx", "bert.weights", "bert_vocab.txt")
    with pytest.warns(TimbralWarning, match=r"no bert\.onnx") as caught:
        tts = timbral.load(folder, device="cpu", languages=())
    assert len(caught) == 1
    voice = tts.clone(CHINESE, text=TRANSCRIPT)
    assert voice.prompt_features is None
    assert len(tts.say("今天好。", voice, seed=1).samples) > 0
    assert len(tts.say("今天好。", voices["v2"], seed=1).samples) > 0


def test_a_voice_without_features_fits_a_model_with_bert(
    models: dict[str, Synthesizer], voices: dict[str, Voice]
) -> None:
    voice = dataclasses.replace(voices["v2"], prompt_features=None)
    assert len(models["v2"].say("今天好。", voice, seed=1).samples) > 0


def test_g2pw_reads_for_the_model_that_has_it(official_bundles: dict[str, Path], tmp_path: Path) -> None:
    from tests.helpers import g2pw_model as g2pw

    folder = tmp_path / "m"
    shutil.copytree(official_bundles["v2"], folder)
    g2pw.write_model(folder)
    (folder / "g2pW.onnx").rename(folder / "g2pw.onnx")
    (folder / "vocab.txt").replace(folder / "bert_vocab.txt")
    for name in ("bundle.json", "bert.onnx", "bert.weights"):
        (folder / name).unlink()
    write_manifest(folder, bundles.description("v2"))
    with pytest.warns(TimbralWarning, match="bert"):
        tts = timbral.load(folder, device="cpu", languages=())
    with pytest.warns(TimbralWarning, match="transcript"):
        ids = tts.clone(CHINESE, text="大人行你银行", language="zh").prompt_phones
    expected = to_phones(
        "大人行你银行。", "zh", polyphones=open_g2pw(folder, folder / "bert_vocab.txt", SessionOptions())
    ).ids
    np.testing.assert_array_equal(ids, expected)
    assert not np.array_equal(expected, to_phones("大人行你银行。", "zh").ids)


@pytest.mark.parametrize(
    ("family", "change", "reason"),
    [
        ("v2", lambda m: m["acoustic"].update(hop=320), "not sample_rate"),
        ("v2", lambda m: m["acoustic"].update(noise_scale=-1.0), "noise_scale"),
        ("v2", lambda m: m["acoustic"].update(steps=8), "steps: extra"),
        ("v2", lambda m: m["reference"].update(silence=-1), "silence"),
        ("v2", lambda m: m.update(reading="worst"), "reading"),
        ("v3", lambda m: m["acoustic"].update(steps=0), "steps"),
        ("v3", lambda m: m["acoustic"].update(chunk_frames=90), "chunk_frames must be more"),
        ("v3", lambda m: m["acoustic"].update(frames_per_token=4), "frames_per_token"),
        ("v3", lambda m: m["semantic"].update(prompts=False), "goes on from prompts"),
    ],
)
def test_manifests_that_do_not_hold_are_refused(
    official_bundles: dict[str, Path],
    tmp_path: Path,
    family: str,
    change: Callable[[dict[str, Any]], object],
    reason: str,
) -> None:
    manifest = json.loads((official_bundles[family] / "bundle.json").read_text())
    change(manifest)
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=reason) as caught:
        read_bundle(tmp_path, verify=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "name"), [("v2", "vocoder.onnx"), ("v2Pro", "speaker.onnx"), ("v3", "mel.onnx")]
)
def test_a_bundle_without_a_graph_is_refused(
    official_bundles: dict[str, Path], tmp_path: Path, family: str, name: str
) -> None:
    shutil.copytree(official_bundles[family], tmp_path / "m")
    for lacking in (name, "bundle.json"):
        (tmp_path / "m" / lacking).unlink()
    write_manifest(tmp_path / "m", bundles.description(family))
    with pytest.raises(BundleError, match=rf"has no {name}"):
        timbral.load(tmp_path / "m", languages=())


def test_the_commands_know_such_models(
    official_bundles: dict[str, Path], home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for family in ("v2Pro", "v3"):
        shutil.copytree(official_bundles[family], home / "models" / family)
    assert main(["models"]) == 0
    out = capfd.readouterr().out
    assert "v2Pro" in out
    assert "v3" in out
    assert main(["doctor"]) == 0
    out = capfd.readouterr().out
    for family in ("v2Pro", "v3"):
        assert f"{family} on cpu: works" in out, out
    assert main(["clone", str(CHINESE), "--name", "me", "--text", TRANSCRIPT, "--model", "v3"]) == 0
    assert main(["voices", "show", "me"]) == 0
    assert "gpt-sovits v3-small" in capfd.readouterr().out
    said = ["say", "你好。", "--model", "v3", "-o", str(tmp_path / "out.wav"), "--voice"]
    assert main([*said, "me"]) == 0
    assert (tmp_path / "out.wav").stat().st_size > 1000
    capfd.readouterr()
    assert main([*said, str(CHINESE)]) == 2
    assert "transcript" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("stages", "companions", "rate"),
    [
        ({"gpt": "s1-v1", "sovits": "s2-v1"}, {}, 32000),
        (
            {"gpt": "s1-v2", "sovits": "s2-v2Pro"},
            {"speaker": "eres2net", "bert": "bert", "g2pw": "g2pw", "precision": "fp16"},
            32000,
        ),
        ({"gpt": "s1-v2", "sovits": "s2-v4"}, {"vocoder": "vocoder", "precision": "int8"}, 48000),
    ],
)
def test_imported_checkpoints_speak(
    checkpoints: dict[str, str],
    tmp_path: Path,
    stages: dict[str, str],
    companions: dict[str, str],
    rate: int,
) -> None:
    given = {**stages, "hubert": "hubert", **companions}
    options = [part for name, file in given.items() for part in (f"--{name}", checkpoints.get(file, file))]
    assert main(["import", *options, "-o", str(tmp_path / "mine")]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimbralWarning)
        tts = timbral.load(tmp_path / "mine", device="cpu", languages=["zh", "en"])
    voice = tts.clone(CHINESE, text=TRANSCRIPT)
    speech = tts.say("你好。", voice, seed=1)
    assert speech.rate == rate
    assert speech.duration > 0.4
    assert np.isfinite(speech.samples).all()
