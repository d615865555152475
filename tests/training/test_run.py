"""`timbral train` from a list of recordings to weights, on small official models; and what is wrong with its input."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.helpers import training_networks as networks
from tests.helpers.import_files import write
from tests.helpers.official_files import HParams, saved
from tests.helpers.paths import DATA
from timbral.cli import main
from timbral.conversion.checkpoints import identify, read_checkpoint
from timbral.conversion.fingerprint import weights_of
from timbral.conversion.networks import semantic_network
from timbral.data.listing import Line
from timbral.errors import BundleError, CheckpointError, DataError, TrainingError
from timbral.models import read_bundle
from timbral.training.base_checkpoints import load_semantic
from timbral.training.checkpoint import NAME
from timbral.training.features import FeatureExtractor
from timbral.training.recordings import read_recordings
from timbral.training.trained_weights import TrainedWeights

ENGLISH = "Well, what can't be done by main courage and war must be done by circumvention."
CHINESE = "美国并没有统一的全国高中联赛。"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Checkpoints of small networks by short names; that of v2 has a posterior encoder."""
    folder = tmp_path_factory.mktemp("files")
    found = write(folder)
    model = {"upsample_rates": [10, 8, 2, 2, 2], "resblock_dilation_sizes": [[1]]}
    weight = {name: tensor.half() for name, tensor in networks.acoustic("v2").state_dict().items()}
    (folder / "s2G.pth").write_bytes(saved({"weight": weight, "config": HParams(model=model), "info": "x"}))
    return {**found, "s2G": str(folder / "s2G.pth")}


@pytest.fixture
def listing(tmp_path: Path) -> Path:
    """A folder with two recordings and their list."""
    folder = tmp_path / "me"
    (folder / "clips").mkdir(parents=True)
    for name in ("english", "chinese"):
        shutil.copy(DATA / f"{name}.flac", folder / "clips")
    (folder / "me.list").write_text(
        f"clips/english.flac|me|EN|{ENGLISH}\n\nD:\\old\\chinese.flac|me|zh|{CHINESE}\nclips/gone.flac|me|EN|Gone.\n",
        encoding="utf-8",
    )
    return folder


def trained(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """What the command says as JSON."""
    assert main(["train", *map(str, arguments), "--device", "cpu", "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def config(folder: Path, **changes: Any) -> Path:
    """Settings for small networks."""
    small = {"epochs": 2, "batch_size": 2, "least": 0, "save_every": 1}
    path = folder / "small.yaml"
    sections = {"semantic": small, "acoustic": {**small, "adversary": False, "sample_every": 1}}
    path.write_text(json.dumps({stage: {**section, **changes} for stage, section in sections.items()}))
    return path


def test_both_stages_of_v2(
    tmp_path: Path,
    listing: Path,
    files: dict[str, str],
    official_bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.part").write_text("semantic:")  # what a kill at the very beginning leaves
    arguments = [
        listing,
        "--model",
        official_bundles["v2"],
        "--gpt",
        files["s1-v2"],
        "--sovits",
        files["s2G"],
    ]
    said = trained(capsys, *arguments, "-o", run, "--config", config(tmp_path), "--rank", 2)
    assert [stage["updates"] for stage in said["stages"]] == [2, 2]
    for stage in ("semantic", "acoustic"):
        assert {"curves.png", "curves.jsonl", NAME} <= {path.name for path in (run / stage).iterdir()}
    assert len(list((run / "acoustic" / "samples").glob("*.wav"))) == 4

    result = TrainedWeights.load(run / "semantic.safetensors")
    assert {len(down) for down, _ in result.low_rank.values()} == {2}
    network = semantic_network(identify(read_checkpoint(files["s1-v2"])), 732)
    before = network.h.layers[0].self_attn.in_proj_weight.clone()
    result.apply(network)
    assert not torch.equal(network.h.layers[0].self_attn.in_proj_weight, before)
    assert "dec.ups.0.weight" in TrainedWeights.load(run / "acoustic.safetensors").low_rank

    # A wrong flag is refused, and does not spoil the run.
    assert main(["train", *map(str, arguments), "-o", str(run), "--resume", "--epochs", "99"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "semantic.epochs is 2, not 99, acoustic.epochs is 2, not 99; resume without them" in told
    again = trained(capsys, *arguments, "-o", run, "--resume")
    assert again == said


def test_features_are_cached_by_content(
    tmp_path: Path, listing: Path, official_bundles: dict[str, Path]
) -> None:
    recordings, _ = read_recordings(listing)
    model = read_bundle(official_bundles["v2Pro"])
    found, problems = FeatureExtractor(model, tmp_path / "kept").extract(recordings, lambda what, share: None)
    assert (len(found), problems) == (2, [])
    cached_only = FeatureExtractor(replace(model, folder=tmp_path / "nowhere"), tmp_path / "kept")
    again, _ = cached_only.extract(recordings, lambda what, share: None)
    for one, other in zip(found.values(), again.values(), strict=True):
        assert all(
            torch.equal(getattr(one, n), getattr(other, n))
            for n in ("samples", "tokens", "phones", "speaker")
        )
        assert abs(len(one.tokens) - len(one.samples) / 32000 * 25) <= 1
    # Another text is not in the cache, and a damaged file is replaced.
    with pytest.raises(BundleError):
        cached_only.extract([replace(recordings[0], text="Something else.")], lambda what, share: None)
    for kept in (tmp_path / "kept").iterdir():
        kept.write_bytes(b"no")
    repaired, _ = FeatureExtractor(model, tmp_path / "kept").extract(recordings, lambda what, share: None)
    assert repaired.keys() == found.keys()


def test_a_voice_learns_from_the_weights_of_its_model(
    files: dict[str, str], official_bundles: dict[str, Path]
) -> None:
    bundle, path = read_bundle(official_bundles["v2"]), Path(files["s1-v2"])
    network = semantic_network(identify(read_checkpoint(path)), 732)
    for known, fits in ((weights_of("semantic", network), True), ("0" * 8, False)):
        manifest = bundle.manifest.model_copy(update={"weights": known + "0" * 8})
        if fits:
            load_semantic(replace(bundle, manifest=manifest), path, same=True)
            continue
        load_semantic(replace(bundle, manifest=manifest), path)
        with pytest.raises(CheckpointError, match="other weights"):
            load_semantic(replace(bundle, manifest=manifest), path, same=True)


def test_recordings_that_cannot_be_used_are_left_out(
    tmp_path: Path, official_bundles: dict[str, Path]
) -> None:
    silent, broken, good = (tmp_path / f"{name}.wav" for name in ("silent", "broken", "good"))
    soundfile.write(silent, np.zeros(32000), 32000)
    broken.write_bytes(b"RIFF no sound")
    shutil.copy(DATA / "english.flac", good)
    extractor = FeatureExtractor(read_bundle(official_bundles["v2"]), tmp_path / "kept")
    recordings = [Line(path, "", "en", ENGLISH) for path in (silent, broken, good)]
    mute = Line(good, "", "", "")
    found, problems = extractor.extract(
        [*recordings, Line(good, "", "en", "!!!"), mute], lambda what, share: None
    )
    assert len(found) == 2
    assert [bool(features.text) for features in found.values()] == [True, False]
    assert [problem.partition(":")[0] for problem in problems] == ["silent.wav", "broken.wav", "good.wav"]
    with pytest.raises(TrainingError, match="silent"):
        extractor.extract(recordings[:1], lambda what, share: None)


def test_a_full_training_of_stage_one_writes_all_of_it(
    tmp_path: Path,
    listing: Path,
    files: dict[str, str],
    official_bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [listing, "--model", official_bundles["v2"], "--gpt", files["s1-v2"], "--stage", "semantic"]
    said = trained(
        capsys, *arguments, "-o", tmp_path / "run", "--config", config(tmp_path), "--method", "full"
    )
    (stage,) = said["stages"]
    assert stage["trained"] == stage["parameters"]
    result = TrainedWeights.load(tmp_path / "run" / "semantic.safetensors")
    network = semantic_network(identify(read_checkpoint(files["s1-v2"])), 732)
    assert result.replaced.keys() == network.state_dict().keys()


@pytest.mark.parametrize("family", ["v2Pro", "v3"])
def test_stage_two_of_other_families(
    tmp_path: Path,
    listing: Path,
    family: str,
    files: dict[str, str],
    official_bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [
        "--model",
        official_bundles[family],
        "--sovits",
        files[f"s2-{family}"],
        "--stage",
        "acoustic",
    ]
    said = trained(
        capsys, listing, *arguments, "-o", tmp_path / "run", "--config", config(tmp_path, sample_every=0)
    )
    assert said["stages"][0]["updates"] == 2
    assert TrainedWeights.load(tmp_path / "run" / "acoustic.safetensors").low_rank


def test_mistakes_are_told_before_the_work(
    tmp_path: Path,
    listing: Path,
    files: dict[str, str],
    official_bundles: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ["--model", str(official_bundles["v2"])]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for arguments, told in (
        ([str(listing), "-o", str(tmp_path / "a"), "--gpt", files["s1-v2"]], "leave --gpt"),
        ([str(listing), "-o", str(tmp_path / "a"), *model, "--stage", "both"], "--sovits"),
        ([str(listing), "-o", str(tmp_path / "a"), *model, "--stage", "three"], "semantic, acoustic"),
        ([str(listing), "-o", str(tmp_path / "full"), *model, "--stage", "semantic"], "not empty"),
        ([str(listing), "-o", str(tmp_path / "a"), *model, "--stage", "semantic", "--resume"], "no run"),
        ([str(tmp_path / "full"), "-o", str(tmp_path / "a"), *model], "no .list file"),
        ([str(listing), "-o", str(tmp_path / "a"), *model, "--sovits", files["s2-v3"]], "of v3"),
        ([str(listing), "-o", str(tmp_path / "a.wav"), *model], "looks like a file"),
        ([str(listing), "-o", str(tmp_path / "a"), *model, "--device", "tpu"], "auto, cpu, cuda"),
    ):
        assert main(["train", *arguments]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert told in error, error


def test_lists_are_read_as_they_are(listing: Path) -> None:
    found, problems = read_recordings(listing)
    assert [(one.audio.name, one.text, one.language) for one in found] == [
        ("english.flac", ENGLISH, "en"),
        ("chinese.flac", CHINESE, "zh"),
    ]
    (problem,) = problems
    assert problem.startswith("me.list, line 4: 'clips/gone.flac' is not there")
    assert read_recordings(listing / "me.list") == (found, problems)
    (listing / "bad.list").write_text("a|b|c\nclips/english.flac|me|XX|hm\n")
    with pytest.raises(TrainingError, match="3 fields"):
        read_recordings(listing / "bad.list")
    with pytest.raises(DataError, match="2 lists"):
        read_recordings(listing)
