"""Checkpoints that cannot become a model: one line that names the files and says what to do, and nothing is left."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers import import_files as files
from timbral.cli import main
from timbral.conversion import graphs as conversion
from timbral.conversion.components import read_components
from timbral.conversion.description import describe
from timbral.conversion.fingerprint import ENCODERS, Fingerprint
from timbral.conversion.graphs import Fingerprints
from timbral.conversion.importer import Sources

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("checkpoints")
    made = files.write(folder)
    (folder / "empty").mkdir()
    (folder / "text.pth").write_text("not a checkpoint")
    for odd, vocabulary in (("no-words", None), ("other-words", ["[UNK]", "[CLS]", "[SEP]"])):
        (folder / odd).mkdir()
        (folder / odd / "pytorch_model.bin").symlink_to(Path(made["bert"]) / "pytorch_model.bin")
        if vocabulary:
            (folder / odd / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    (folder / "full").mkdir()
    (folder / "full" / "mine.txt").write_text("mine")
    more = ("empty", "no-words", "other-words", "full", "absent", "absent.ckpt")
    return {**made, **{name: str(folder / name) for name in more}, "text": str(folder / "text.pth")}


MISTAKES = [
    ("s1-v1 s2-v2", "", r"s1-v1\.ckpt.*phones of v1.*s2-v2\.pth.*one version"),
    ("s1-v2 s2-v1", "", r"s1-v2\.ckpt.*s2-v1\.pth.*of v1.*one version"),
    ("s2-v2 s1-v2", "", r"s2-v2\.pth is stage two, which is given as --sovits; give stage one as --gpt"),
    ("s1-v2 lora-v3", "", r"lora-v3\.pth is a LoRA, which is given as --lora"),
    (
        "s1-v2 s2-v3",
        "--lora lora-v4 --vocoder bigvgan",
        r"lora-v4\.pth: a LoRA of v4 does not fit .*s2-v3\.pth",
    ),
    ("s1-v2 s2-v2", "--lora lora-v3", r"s2-v2\.pth is a stage two of v2, which has no LoRA"),
    ("s1-v2 s2-v3", "--lora s2-v3", "is stage two.*give a LoRA as --lora"),
    ("s1-v2 s2-v2Pro", "", r"s2-v2Pro\.pth.*give pretrained_eres2netv2w24s4ep4\.ckpt as --speaker"),
    ("s1-v2 s2-v2", "--speaker eres2net", "v2 has no speaker network; leave --speaker out"),
    ("s1-v2 s2-v2", "--vocoder vocoder", "v2 has its vocoder inside; leave --vocoder out"),
    ("s1-v2 s2-v3", "", r"s2-v3\.pth is a stage two of v3.*give bigvgan_generator\.pt.* as --vocoder"),
    (
        "s1-v2 s2-v3",
        "--vocoder vocoder",
        r"vocoder\.pth is the vocoder of v4, and .*s2-v3\.pth a stage two of v3",
    ),
    ("s1-v2 s2-v4", "", r"s2-v4\.pth.*does not say of which.*--vocoder"),
    ("s1-v2 s2-v3", "--lora lora-v3", r"s2-v3\.pth is a stage two of v3.*--vocoder"),
    ("s1-v2 s2-v2", "--hubert empty", r"empty has neither model\.safetensors nor pytorch_model\.bin"),
    ("s1-v2 s2-v2", "--hubert bert", "is a BERT, which is given as --bert; give a HuBERT as --hubert"),
    ("s1-v2 s2-v2", "--bert no-words", r"no-words has neither vocab\.txt nor tokenizer\.json"),
    ("s1-v2 s2-v2", "--bert other-words", r"vocab\.txt has 3 tokens where its network has \d+"),
    ("s1-v2 s2-v2", "--g2pw g2pw", "--g2pw needs .* give --bert as well"),
    ("s1-v1 s2-v1", "--bert bert --g2pw g2pw", "v1.*leave --g2pw out"),
    ("s1-v2 s2-v2", "--bert bert --g2pw empty", r"empty has no g2pW\.onnx"),
    ("absent.ckpt s2-v2", "", r"absent\.ckpt: cannot be read"),
    ("s1-v2 absent", "", "absent: cannot be read"),
    ("s1-v2 text", "", r"text\.pth: it is not a checkpoint"),
    ("s1-v2 s2-v2", "-o full", "full is not empty; choose another folder"),
    ("s1-v2 s2-v2", "-o text", r"text\.pth is a file; choose another place"),
]


def arguments(paths: dict[str, str], stages: str, options: str) -> list[str]:
    gpt, sovits = stages.split()
    words = options.split()
    given = [paths.get(word, word) for word in words]
    for option, default in (("--hubert", paths["hubert"]), ("-o", "new")):
        if option not in words:
            given += [option, default]
    return ["import", "--gpt", paths[gpt], "--sovits", paths[sovits], *given]


def check_mistake(given: list[str], reason: str, capfd: Captured) -> None:
    assert main(given) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert re.search(reason, err), err


@pytest.mark.parametrize(("stages", "options", "reason"), MISTAKES, ids=lambda value: None)
def test_what_does_not_go_together(
    stages: str,
    options: str,
    reason: str,
    paths: dict[str, str],
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    check_mistake(arguments(paths, stages, options), reason, capfd)
    assert list(tmp_path.iterdir()) == []
    assert not home.exists()
    assert [path.name for path in Path(paths["full"]).iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "say where the model goes: -o DIR for a folder, or --name NAME"),
        (["--name", "sovits-tiny"], "inside the package"),
        (["--name", "../me"], "cannot be named '../me'"),
        (["--name", "声音"], "cannot be named"),
        (["-o", "声音"], "cannot be named.*give --name"),
        (["-o", "new", "--precision", "int2"], "choose from fp32, fp16, int8, int4"),
    ],
)
def test_where_and_how(
    options: list[str],
    reason: str,
    paths: dict[str, str],
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["import", "--gpt", paths["s1-v2"], "--sovits", paths["s2-v2"], "--hubert", paths["hubert"]]
    check_mistake([*given, *options], reason, capfd)
    assert list(tmp_path.iterdir()) == []
    assert not home.exists()


@pytest.mark.parametrize(
    ("problem", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 2, "cannot be written .No space left on device"),
        (RuntimeError("a bug"), 1, "a bug"),
    ],
)
def test_an_end_in_the_middle_leaves_nothing(
    problem: BaseException,
    code: int,
    says: str,
    paths: dict[str, str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Captured,
) -> None:
    def begin(network: object, folder: Path, precision: str) -> None:
        (folder / "semantic.weights").write_bytes(b"half")
        raise problem

    monkeypatch.setattr(conversion, "export_semantic", begin)
    given = ["--gpt", paths["s1-v2"], "--sovits", paths["s2-v2"], "--hubert", paths["hubert"]]
    assert main(["import", *given, "--bert", paths["bert"], "--name", "me"]) == code
    assert re.search(says, capfd.readouterr().err)
    assert not home.exists()


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from timbral.cli import main\n"
        "sys.exit(main(['import', '--gpt', 'a', '--sovits', 'b', '--hubert', 'c', '-o', sys.argv[1]]))"
    )
    target = str(tmp_path / "new")
    run = subprocess.run([sys.executable, "-c", script, target], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "pip install 'timbral[train]'" in run.stderr


def test_v2_is_described_as_it_is(paths: dict[str, str]) -> None:
    parts = read_components(Sources(Path(paths["s1-v2"]), Path(paths["s2-v2"]), Path(paths["hubert"])))
    said = json.loads(
        json.dumps(describe(parts, name="me", precision="int4", fingerprints=Fingerprints("0" * 8, "0" * 16)))
    )
    assert said["version"] == "v2-00000000"
    assert said["precision"] == "int4"
    assert said["symbols"] == "v2"
    assert said["languages"] == ["zh", "en", "ja", "ko", "yue"]
    assert said["acoustic"]["speaker"] is False
    assert parts.acoustic.tensors == {}, "tensors do not stay in memory"


def test_voices_fit_models_that_hear_alike() -> None:
    """What comes after hearing may be trained on; what hears may not."""

    def digest() -> str:
        fingerprint = Fingerprint()
        fingerprint.add_encoders(network)
        return fingerprint.digest(ENCODERS)

    network = files.acoustic("v2")
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = digest()
    try:
        with torch.no_grad():
            network.dec.conv_pre.weight.add_(1)
            network.enc_p.proj.weight.add_(1)
            assert digest() == before
            network.ref_enc.fc.fc.weight.add_(1)
            assert digest() != before
    finally:
        network.load_state_dict(state)
