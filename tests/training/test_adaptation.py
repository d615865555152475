"""Fine-tuning of the embedded model: training, the voice file, and the `adapt` and `train` commands."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import timbral
from tests.helpers.paths import DATA
from timbral.audio.measures import relative_error
from timbral.cli import main
from timbral.data.listing import Line, write_list
from timbral.errors import TrainingError
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models import open_bundle
from timbral.training.adaptation import adaptation_run
from timbral.training.base_checkpoints import BaseCheckpoints
from timbral.training.curves import read_curves
from timbral.training.finetuned_voice import ExchangeableWeights, finetuned_voice
from timbral.training.loop import train
from timbral.training.main_speaker import main_speaker
from timbral.training.networks import restore_reference, restore_source_filter
from timbral.training.run import train_stages
from timbral.training.sampled_tokens import SampledUtterance, sentences
from timbral.training.settings import EMBEDDED, SourceFilterSettings, defaults, read_settings
from timbral.training.source_filter import SourceFilterTask
from timbral.training.source_filter_examples import SourceFilterExample, crop, extract_examples
from timbral.training.task import ProgressCallback, no_progress
from timbral.training.trained_weights import TrainedWeights
from timbral.voices import store as voice_store

LINE = "The morning train was late again."
SHORT = "acoustic: {epochs: 1, least: 2, batch_size: 1, schedule: {kind: constant}}\n"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def clip(name: str) -> Line:
    return Line(DATA / f"{name}.flac", "me", "", "")


def test_recordings_become_examples_or_are_reported(tmp_path: Path) -> None:
    encoder = restore_reference(open_bundle(None))
    soundfile.write(tmp_path / "silent.wav", np.zeros(32_000), 16_000)
    soundfile.write(tmp_path / "short.wav", 0.1 * np.random.default_rng(0).standard_normal(4000), 16_000)
    (tmp_path / "text.wav").write_text("no sound")
    bad = [Line(tmp_path / f"{name}.wav", "me", "", "") for name in ("silent", "short", "text")]
    speaker, problems = extract_examples([*bad, clip("english"), clip("chinese")], encoder, 24_000)
    assert [problem.split(":")[0].rsplit("/")[-1] for problem in problems] == [
        "silent.wav",
        "short.wav",
        "text.wav",
    ]
    for line, example in zip((clip("english"), clip("chinese")), speaker.examples, strict=True):
        seconds = soundfile.info(str(line.audio)).duration
        assert abs(len(example.tokens) / 25 - seconds) < 0.05
        assert len(example.samples) == 960 * len(example.tokens)
        assert len(example.f0) == len(example.voiced) == 4 * len(example.tokens)
        assert 0.2 < float(example.voiced.mean()) < 0.95
    assert float(torch.linalg.norm(speaker.speaker)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(TrainingError, match="silent"):
        extract_examples(bad, encoder, 24_000)


def test_phones_determine_the_content_and_tokens_affect_f0_only() -> None:
    latent, _ = restore_source_filter(open_bundle(None))
    chance = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 4096, (2, 30), generator=chance)
    phones = torch.randint(0, 732, (1, 30, 2), generator=chance).repeat(2, 1, 1)
    timbre = torch.zeros(2, latent.config.timbre)
    timbre[:, -1] = 7.5
    with torch.no_grad():
        words, melody = latent.speak(tokens, timbre, phones)
        others, _ = latent.speak(tokens, timbre, phones.flip(1))
    assert relative_error(words[0].numpy(), words[1].numpy()) < 1e-5
    assert relative_error(melody[0].numpy(), melody[1].numpy()) > 0.01
    assert relative_error(words.numpy(), others.numpy()) > 0.1


def some_sampled() -> list[SampledUtterance]:
    chance = torch.Generator().manual_seed(0)
    return [
        SampledUtterance(
            torch.randint(0, 4096, (50,), generator=chance), torch.randint(0, 732, (50, 2), generator=chance)
        )
    ]


def test_training_approaches_the_speaker_and_a_voice_holds_the_result(tmp_path: Path) -> None:
    bundle = open_bundle(None)
    latent, vocoder = restore_source_filter(bundle)
    encoder = restore_reference(bundle)
    speaker, _ = extract_examples([clip("english")], encoder, 24_000)
    settings = SourceFilterSettings(
        **defaults(EMBEDDED, "acoustic", "lora")  # type: ignore[arg-type]
        | {"epochs": 1, "least": 24, "batch_size": 2, "schedule": {"kind": "constant"}, "rank": 4}
        | {"rate": 3e-3, "speaker_weight": 2.0}
    )
    sampled = some_sampled()
    allowed = ExchangeableWeights(bundle, "acoustic")
    task = SourceFilterTask(latent, vocoder, encoder, speaker, sampled, settings, allowed)
    frozen = {n: w.clone() for n, w in task.network.named_parameters() if not w.requires_grad}
    train(task, settings, tmp_path, device="cpu")
    rows = read_curves(tmp_path)
    distance = [row["speaker"] for row in rows]
    assert len(rows) == 12
    assert np.mean(distance[-4:]) < 0.8 * np.mean(distance[:4])
    assert all(torch.equal(w, frozen[n]) for n, w in task.network.named_parameters() if n in frozen)

    result = TrainedWeights.of(task.network, "acoustic", bundle.manifest.base)
    tts = timbral.load(languages=())
    voice = finetuned_voice(tts.clone(DATA / "english.flac"), [result], bundle)
    voice.save(tmp_path / "me.voice")
    assert (tmp_path / "me.voice").stat().st_size < 2 << 20
    voice = timbral.Voice.load(tmp_path / "me.voice")
    tokens = speaker.examples[0].tokens[None, :40]
    phones = torch.randint(0, 732, (1, 40, 2), generator=torch.Generator().manual_seed(0))
    options = SessionOptions(device="cpu", threads=1, adapter=voice.adapter)
    graph = Graph(bundle.path("latent.onnx"), ("tokens", "timbre", "phones"), ("latent", "f0"), options)
    with torch.no_grad():
        wanted, f0 = task.network.latent.speak(tokens, task.network.timbre[None], phones)
    found = graph({"tokens": tokens.numpy(), "timbre": voice.timbre[None], "phones": phones.numpy()})
    assert relative_error(wanted.numpy(), found[0]) < 0.05
    assert relative_error(f0.numpy(), found[1]) < 0.01
    with pytest.raises(TrainingError, match="not the model"):
        finetuned_voice(voice, [replace(result, base="other")], bundle)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_result_of_half_strength_is_half_way(method: str) -> None:
    bundle = open_bundle(None)
    encoder = restore_reference(bundle)
    speaker, _ = extract_examples([clip("english")], encoder, 24_000)
    settings = SourceFilterSettings(**defaults(EMBEDDED, "acoustic", method) | {"strength": 0.5})  # type: ignore[arg-type]
    latent, vocoder = restore_source_filter(bundle)
    before = latent.spread.weight.detach().clone()
    task = SourceFilterTask(latent, vocoder, encoder, speaker, some_sampled(), settings)
    with torch.no_grad():
        for weight in task.network.parameters():
            if weight.requires_grad:
                weight.add_(0.01)
    changed, timbre = latent.spread.weight.detach() - before, task.network.timbre.detach().clone()
    task.finalize()
    torch.testing.assert_close(latent.spread.weight - before, changed / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(task.network.timbre, timbre - 0.005)


def small(**changes: object) -> SourceFilterSettings:
    """Settings of a short training in full."""
    short = {"epochs": 2, "least": 2, "batch_size": 2, "schedule": {"kind": "constant"}}
    return SourceFilterSettings(**defaults(EMBEDDED, "acoustic", "full") | short | changes)  # type: ignore[arg-type]


def test_held_out_recordings_are_measured_and_frozen_weights_stay(tmp_path: Path) -> None:
    bundle = open_bundle(None)
    encoder = restore_reference(bundle)
    speaker, _ = extract_examples([clip("english"), clip("chinese")], encoder, 24_000)
    pieces = [
        SourceFilterExample(*crop(one, start, 44)) for one in speaker.examples for start in range(0, 88, 22)
    ]
    brief = SourceFilterExample(*crop(speaker.examples[0], 0, 20))
    sampled = some_sampled()

    def task(examples: Sequence[SourceFilterExample], settings: SourceFilterSettings) -> SourceFilterTask:
        networks = restore_source_filter(bundle)
        return SourceFilterTask(
            *networks, encoder, replace(speaker, examples=tuple(examples)), sampled, settings
        )

    settings = small(held_out=0.25, patience=1, shortest=1.0, freeze=["vocoder.*"], rate=1e-3)
    tuned = task([*pieces, brief], settings)
    assert len(tuned.examples) == 6
    assert len(tuned.held_out) == 2
    assert all(one is not brief and len(one.tokens) == 44 for one in [*tuned.examples, *tuned.held_out])
    before = {name: weight.clone() for name, weight in tuned.network.named_parameters()}
    outcome = train(tuned, settings, tmp_path, device="cpu")
    changed = {
        name for name, weight in tuned.network.named_parameters() if not torch.equal(weight, before[name])
    }
    assert {name.partition(".")[0] for name in changed} == {"latent", "timbre"}
    totals = [row["held_out_total"] for row in read_curves(tmp_path) if "held_out_total" in row]
    assert outcome.best == min(totals)
    assert 0 < totals[0] < 20

    assert task(pieces, small()).held_out == []
    with pytest.raises(TrainingError, match="held_out"):
        task(pieces, small(patience=1))
    with pytest.raises(TrainingError, match="none of 1 recordings has 1 to 120 s"):
        task([brief], small(shortest=1.0))


@pytest.mark.parametrize("name", ["dropout", "whole", "checkpointing"])
def test_settings_that_could_do_nothing_are_unknown(tmp_path: Path, name: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(f"acoustic: {{{name}: 0}}\n")
    with pytest.raises(TrainingError, match=f"{name} is unknown"):
        read_settings(EMBEDDED, file)


def test_there_are_sentences_in_every_language_of_the_model() -> None:
    assert sentences().keys() == set(open_bundle(None).manifest.languages)


def test_one_command_makes_a_voice_of_raw_recordings(
    tmp_path: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copy(DATA / "english.flac", raw)
    (raw / "notes.txt").write_text("no recording")
    (tmp_path / "short.yaml").write_text(SHORT)
    arguments = ["adapt", str(raw), "--name", "me", "--consent", "Me Myself", "--no-denoise"]
    arguments += ["--config", str(tmp_path / "short.yaml")]
    assert main([*arguments, "--json"]) == 0
    printed = capfd.readouterr()
    assert "small weights" not in printed.err
    facts = json.loads(printed.out)
    assert facts["other_speakers"] == []
    assert facts["seconds"] > 3
    assert facts["stages"][0]["updates"] == 2
    voice = voice_store.load("me")
    assert voice.consent is not None
    assert voice.consent.who == "Me Myself"
    tts = timbral.load(languages=())
    tuned = tts.say(LINE, voice, seed=1).samples
    plain = tts.say(LINE, replace(voice, adapter=None, base=""), seed=1).samples
    assert np.isfinite(tuned).all()
    assert tuned.shape == plain.shape
    assert relative_error(plain, tuned) > 0.02

    # Again: nothing is prepared or trained anew, and the voice is the same.
    assert main(arguments) == 0
    assert "`timbral say TEXT --voice me` speaks with it" in capfd.readouterr().out
    again = voice_store.load("me")
    assert voice.adapter is not None
    assert again.adapter is not None
    assert again.adapter.digest == voice.adapter.digest
    np.testing.assert_array_equal(again.timbre, voice.timbre)


def cut(source: Path, folder: Path, count: int) -> list[Line]:
    """A recording in equal parts."""
    samples, rate = soundfile.read(source)
    size = len(samples) // count
    lines = []
    for i in range(count):
        path = folder / f"{source.stem}{i}.wav"
        soundfile.write(path, samples[i * size : (i + 1) * size], rate)
        lines.append(Line(path, "me", "", ""))
    return lines


def test_the_speaker_who_speaks_most_is_kept(tmp_path: Path) -> None:
    mine, theirs = cut(DATA / "english.flac", tmp_path, 2), cut(DATA / "chinese.flac", tmp_path, 1)
    assert main_speaker(mine) == (mine, [])
    kept, others = main_speaker([mine[0], *theirs, mine[1]])
    assert {len(kept), len(others)} == {1, 2}
    assert kept in (mine, theirs)
    seconds = [sum(soundfile.info(str(line.audio)).duration for line in lines) for lines in (kept, others)]
    assert seconds[0] > seconds[1]


def test_clips_of_two_speakers_are_reported_before_the_training(
    tmp_path: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("english", "chinese"):
        shutil.copy(DATA / f"{name}.flac", raw)
    (tmp_path / "bad.yaml").write_text("acoustic: {targets: [nothing], epochs: 1}\n")
    arguments = ["adapt", str(raw), "--name", "me", "--no-denoise", "--config", str(tmp_path / "bad.yaml")]
    assert main(arguments) == 2
    *_, note, error = capfd.readouterr().err.strip().splitlines()
    assert note.startswith("note: more than one speaker: 1 of 2 clips")
    assert "nothing" in error


def test_identical_trainings_have_identical_results_even_after_an_interruption(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT.replace("epochs: 1", "epochs: 2, save_every: 1"))
    settings = read_settings(EMBEDDED, tmp_path / "short.yaml")

    def train_once(name: str, on_progress: ProgressCallback = no_progress, *, resume: bool = False) -> bytes:
        chosen = {"stages": ("acoustic",), "device": "cpu", "for_voice": True, "resume": resume}
        (stage,) = train_stages(
            [clip("english")], open_bundle(None), tmp_path / name, settings, **chosen, on_progress=on_progress
        )
        return stage.path.read_bytes()

    def interrupt(when: str) -> ProgressCallback:
        def on_progress(what: str, share: float) -> None:
            if when in what:
                raise KeyboardInterrupt

        return on_progress

    torch.manual_seed(1)
    first = train_once("first")
    torch.manual_seed(2)
    assert train_once("second") == first
    for when in ("sampling", "epoch 1", "epoch 2"):
        with pytest.raises(KeyboardInterrupt):
            train_once(when, interrupt(when))
        assert train_once(when, resume=True) == first


def test_only_runs_are_removed(tmp_path: Path) -> None:
    settings = read_settings(EMBEDDED)
    (tmp_path / "me").mkdir()
    (tmp_path / "0123456789abcdef").mkdir()
    old, begun = adaptation_run(tmp_path, [clip("english")], settings, "base", BaseCheckpoints())
    assert not begun
    old.mkdir()
    (old / "config.yaml").touch()
    assert adaptation_run(tmp_path, [clip("english")], settings, "base", BaseCheckpoints()) == (old, True)
    new, begun = adaptation_run(tmp_path, [clip("chinese")], settings, "base", BaseCheckpoints())
    assert not begun
    assert {path.name for path in tmp_path.iterdir()} == {"me", "0123456789abcdef"}
    assert new != old


def test_training_writes_a_voice_of_a_list(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copy(DATA / "english.flac", tmp_path)
    write_list(tmp_path / "me.list", [Line(tmp_path / "english.flac", "me", "", "")])
    (tmp_path / "short.yaml").write_text(SHORT)
    target = tmp_path / "the output" / "me.voice"
    target.parent.mkdir()
    arguments = [
        "train",
        str(tmp_path / "me.list"),
        "-o",
        str(target),
        "--config",
        str(tmp_path / "short.yaml"),
    ]
    assert main([*arguments, "--stage", "acoustic"]) == 0
    printed = capfd.readouterr().out
    assert "2 updates in 1 epoch\n" in printed
    assert f"`timbral say TEXT --voice '{target}'` speaks with it" in printed
    voice = timbral.Voice.load(target)
    assert voice.adapter is not None
    assert voice.base == open_bundle(None).manifest.base
    for more, told in (
        (["--stage", "acoustic"], "not empty"),
        (["--stage", "acoustic", "--method", "full"], "method lora"),
        (["--gpt", "x.ckpt"], "leave --gpt"),
    ):
        assert main([*arguments, *more]) == 2
        assert told in capfd.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--name", "../me"], "cannot name a voice"),
        (["--name", "me", "--stage", "three"], "--stage"),
        (["--name", "me", "--device", "tpu"], "--device"),
        (["--name", "me", "--epochs", "0"], "epochs"),
        (["--name", "me", "--model", "nobody"], "nobody"),
        (["--name", "CON"], "Windows"),
    ],
)
def test_mistakes_are_reported_at_once(
    tmp_path: Path, home: Path, capfd: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    shutil.copy(DATA / "english.flac", tmp_path)
    assert main(["adapt", str(tmp_path / "english.flac"), *more]) == 2
    error = capfd.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (home / "voices").exists()
