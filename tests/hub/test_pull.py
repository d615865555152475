"""`timbral pull` from end to end, against a hub on the loopback interface and small files under the official names."""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers.loopback_hub import LoopbackHub
from timbral.hub import catalog

SCRIPT = Path(__file__).parents[1] / "helpers" / "pull_small.py"
ROLES = ("gpt", "sovits", "hubert", "bert", "speaker", "vocoder", "g2pw")
BERT = "chinese-roberta-wwm-ext-large/pytorch_model.bin"
HUBERT = "chinese-hubert-base/pytorch_model.bin"
V2 = "gsv-v2final-pretrained/s2G2333k.pth"
G2PW = {
    "g2pW.onnx": b"graph",
    "POLYPHONIC_CHARS.txt": b"a",
    "MONOPHONIC_CHARS.txt": b"b",
    "bopomofo_to_pinyin_wo_tune_dict.json": b"{}",
}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def archive() -> bytes:
    """G2PW as it is published, and a file that wants to leave its folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in {**G2PW, "../../escaped.txt": b"x", "record.log": b"x"}.items():
            opened.writestr(f"G2PWModel/{name}", content)
    return out.getvalue()


@dataclass
class Run:
    """What a command said."""

    code: int
    out: str
    err: str


@dataclass
class Setup:
    """A user with an empty home and a hub that has the published models, in small."""

    folder: Path
    hub: LoopbackHub
    small: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def models(self) -> Path:
        return self.folder / "timbral" / "models"

    @property
    def downloads(self) -> list[str]:
        """Names of what lies among the downloads."""
        folder = self.folder / "hf" / "assets" / "timbral"
        return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")

    def command(self, *arguments: str) -> list[str]:
        listing = self.folder / "catalog.json"
        listing.write_text(json.dumps(self.small), encoding="utf-8")
        return [sys.executable, str(SCRIPT), str(listing), *arguments]

    def settings(self, **more: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        own = {
            "HF_HOME": str(self.folder / "hf"),
            "HF_ENDPOINT": self.hub.endpoint,
            "TIMBRAL_HOME": str(self.folder / "timbral"),
            "PYTHONPATH": str(SCRIPT.parents[2]),
            "NO_PROXY": "*",
        }
        return {**inherited, **own, **self.environment, **more}

    def run(self, *arguments: str, **environment: str) -> Run:
        done = subprocess.run(
            self.command(*arguments),
            env=self.settings(**environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def imported(self, model: str) -> dict[str, dict[str, str]]:
        """What the importer was given: fingerprints of files, by role and name."""
        graphs = (self.models / model).glob("*.onnx")
        return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in graphs}


@pytest.fixture
def setup(tmp_path: Path, description: dict[str, Any]) -> Iterator[Setup]:
    rng = np.random.default_rng(0)
    contents: dict[tuple[str, str, str], bytes] = {}

    def small(file: catalog.HubFile) -> dict[str, Any]:
        key = (file.repository, file.revision, file.path)
        if key not in contents:
            contents[key] = archive() if file.path.endswith(".zip") else rng.bytes(300_000)
        content = contents[key]
        return {
            **{name: getattr(file, name) for name in ("repository", "revision", "path")},
            "bytes": len(content),
            "sha256": sha(content),
        }

    models = []
    for model in catalog.MODELS:
        given = {role: getattr(model, role) for role in ROLES if getattr(model, role)}
        files = {
            role: [small(one) for one in part] if isinstance(part, tuple) else small(part)
            for role, part in given.items()
        }
        models.append({"name": model.name, "files": files})
    with LoopbackHub(contents) as hub:
        yield Setup(tmp_path, hub, {"models": models, "description": description, "broken": sha(b"")})


def one_line(run: Run, reason: str) -> None:
    """A mistake: a line on stderr that says what is wrong, and nothing else."""
    assert run.code == 2, run.err
    assert run.out == ""
    assert run.err.count("\n") == 1, run.err
    assert re.search(reason, run.err), run.err


def change(setup: Setup, path: str, content: bytes) -> bytes:
    """Exchanges a file on the hub."""
    key = next(key for key in setup.hub.files if key[2] == path)
    before, setup.hub.files[key] = setup.hub.files[key], content
    return before


def test_a_model_is_downloaded_imported_and_nothing_else_stays(setup: Setup) -> None:
    run = setup.run("pull", "v2pro", "--precision", "fp16", HF_TOKEN="hf_secret")
    assert (run.code, run.err) == (0, ""), run.err
    assert re.match(r"v2Pro  pulled  [\d.]+ MB  fp16  \S+v2Pro\n$", run.out)
    given = setup.imported("v2Pro")
    assert given.keys() == {"gpt", "sovits", "hubert", "bert", "speaker"}
    assert given["bert"].keys() == {"pytorch_model.bin", "tokenizer.json"}
    assert given["gpt"].keys() == {"s1v3.ckpt"}
    served = {sha(content) for content in setup.hub.files.values()}
    assert all(found in served for files in given.values() for found in files.values())
    assert {request.token for request in setup.hub.requests} == {None}
    assert setup.downloads == []
    assert [path.name for path in setup.models.iterdir()] == ["v2Pro"]
    listed = setup.run("models")
    assert "v2Pro" in listed.out


def test_what_is_here_is_not_pulled_again_and_what_is_damaged_is(setup: Setup) -> None:
    assert setup.run("pull", "v1").code == 0
    setup.hub.requests.clear()
    run = setup.run("pull", "v1", "--json")
    assert json.loads(run.out)["models"][0]["state"] == "already here"
    assert setup.hub.requests == []
    other = setup.run("pull", "v1", "--precision", "int4")
    assert other.err.startswith("note: v1 is here in int8; remove ")
    (setup.models / "v1" / "gpt.onnx").write_text("altered")
    repaired = setup.run("pull", "v1")
    assert "pulled" in repaired.out
    assert setup.run("pull", "v1").out.startswith("v1  already here")


def test_shared_files_come_once(setup: Setup) -> None:
    run = setup.run("pull", "v3", "v4", "v3", "--keep")
    assert run.code == 0, run.err
    assert [line.split()[0] for line in run.out.splitlines()] == ["v3", "v4"]
    assert setup.hub.starts(BERT) == setup.hub.starts(HUBERT) == [0]
    assert len(setup.downloads) == 8
    assert setup.run("pull", "v2ProPlus").code == 0
    assert setup.hub.starts(BERT) == [0]
    assert "pytorch_model.bin" not in setup.downloads
    assert setup.downloads == ["bigvgan_generator.pt", "s2Gv3.pth", "s2Gv4.pth", "vocoder.pth"]


def test_g2pw_is_an_extra_of_which_only_known_files_are_unpacked(setup: Setup) -> None:
    assert setup.run("pull", "v2", "--g2pw").code == 0
    assert setup.imported("v2")["g2pw"] == {name: sha(content) for name, content in G2PW.items()}
    assert not list(setup.folder.rglob("escaped.txt"))
    assert setup.run("pull", "v1", "--g2pw").err == "note: v1 was trained without G2PW, and goes without\n"


def test_a_broken_connection_is_resumed(setup: Setup) -> None:
    setup.hub.cuts[BERT] += [100_000, 70_000]
    assert setup.run("pull", "v1").code == 0
    starts = setup.hub.starts(BERT)
    assert len(starts) == 3
    assert starts[0] == 0 < starts[1] <= 100_000 < starts[2] <= 170_000


def test_a_pull_that_failed_goes_on_in_the_next_process(setup: Setup) -> None:
    setup.hub.cuts[BERT] += [200_000, 0, 0, 0]
    one_line(setup.run("pull", "v1"), "no connection to http://127.0.0.1.*pull again: it goes on")
    assert not setup.models.exists()
    assert "pytorch_model.bin.part" in setup.downloads
    setup.hub.requests.clear()
    assert setup.run("pull", "v1").code == 0
    assert len(setup.hub.starts(BERT)) == 1
    assert setup.hub.starts(BERT)[0] > 100_000
    assert setup.hub.starts(HUBERT) == []
    assert setup.downloads == []


def test_a_hub_without_ranges_starts_over(setup: Setup) -> None:
    setup.hub.ranges = False
    setup.hub.cuts[V2].append(100_000)
    assert setup.run("pull", "v2").code == 0
    assert setup.hub.starts(V2) == [0, 0]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_an_interrupt_keeps_what_has_come(setup: Setup) -> None:
    setup.hub.cuts[BERT] += [150_000] + [0] * 1000
    process = subprocess.Popen(
        setup.command("pull", "v1"), env=setup.settings(), stderr=subprocess.PIPE, text=True
    )
    while len(setup.hub.starts(BERT)) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "timbral: interrupted\n"
    assert process.returncode == 130
    assert not setup.models.exists()
    setup.hub.cuts.clear()
    setup.hub.requests.clear()
    assert setup.run("pull", "v1").code == 0
    assert setup.hub.starts(BERT)[0] > 50_000


def test_another_file_of_the_same_size_is_removed(setup: Setup) -> None:
    genuine = change(setup, V2, bytes(300_000))
    one_line(setup.run("pull", "v2"), f"{V2}: .*SHA-256 differs")
    assert not [name for name in setup.downloads if name.startswith("s2G")]
    assert not setup.models.exists()
    change(setup, V2, genuine)
    assert setup.run("pull", "v2").code == 0


def test_a_file_of_another_size_is_refused_before_it_comes(setup: Setup) -> None:
    change(setup, V2, bytes(300_001))
    one_line(setup.run("pull", "v2"), "300001 bytes instead of 300000")
    assert not [name for name in setup.downloads if name.startswith("s2G")]


def test_a_kept_download_that_was_damaged_comes_again(setup: Setup) -> None:
    assert setup.run("pull", "v1", "--keep").code == 0
    for path in (setup.folder / "hf" / "assets").rglob("pytorch_model.bin"):
        path.write_bytes(bytes(300_000))
    assert setup.run("pull", "v2").code == 0
    assert setup.hub.starts(BERT) == setup.hub.starts(HUBERT) == [0, 0]


def test_a_missing_file_and_a_busy_hub(setup: Setup) -> None:
    setup.hub.answers[HUBERT] += [503, 429]
    assert setup.run("pull", "v1").code == 0
    key = next(key for key in setup.hub.files if key[2] == V2)
    del setup.hub.files[key]
    one_line(setup.run("pull", "v2"), rf"does not have {V2} of lj1995/GPT-SoVITS, revision \w{{8}} \(404\)")


def test_no_network(setup: Setup) -> None:
    one_line(setup.run("pull", "v1", HF_ENDPOINT="http://127.0.0.1:9"), "no connection to http://127.0.0.1:9")


FILL = """import huggingface_hub, json, sys
for one in json.loads(sys.argv[1]):
    huggingface_hub.hf_hub_download(one["repository"], one["path"], revision=one["revision"])
"""


def test_offline_with_a_warm_cache_and_without(setup: Setup) -> None:
    one_line(setup.run("pull", "v1", HF_HUB_OFFLINE="1"), "not in the hub's cache, and HF_HUB_OFFLINE is set")
    files = setup.small["models"][0]["files"]
    wanted = [one for part in files.values() for one in (part if isinstance(part, list) else [part])]
    subprocess.run([sys.executable, "-c", FILL, json.dumps(wanted)], env=setup.settings(), check=True)
    cached = sorted((setup.folder / "hf" / "hub").rglob("*"))
    setup.hub.requests.clear()
    run = setup.run("pull", "v1", HF_HUB_OFFLINE="1")
    assert run.code == 0, run.err
    assert setup.hub.requests == []
    assert setup.imported("v1")["hubert"] == {"pytorch_model.bin": files["hubert"]["sha256"]}
    assert sorted((setup.folder / "hf" / "hub").rglob("*")) == cached


def test_a_damaged_file_of_the_hubs_cache_is_not_used(setup: Setup) -> None:
    one = setup.small["models"][0]["files"]["gpt"]
    subprocess.run([sys.executable, "-c", FILL, json.dumps([one])], env=setup.settings(), check=True)
    blob = next((setup.folder / "hf" / "hub").rglob(one["path"])).resolve()
    blob.write_bytes(bytes(300_000))
    assert setup.run("pull", "v1").code == 0
    assert setup.imported("v1")["gpt"] == {one["path"]: one["sha256"]}
    assert blob.read_bytes() == bytes(300_000)


def test_an_import_that_fails_leaves_no_model(setup: Setup) -> None:
    setup.small["broken"] = setup.small["models"][0]["files"]["sovits"]["sha256"]
    one_line(setup.run("pull", "v1"), "it is no checkpoint")
    assert not setup.models.exists()
    assert len(setup.downloads) == 5


def test_room_is_checked_before_anything_comes(setup: Setup) -> None:
    setup.small["models"][0]["files"]["gpt"]["bytes"] = 10**18
    one_line(setup.run("pull", "v1"), "pulling needs up to .* GB there, and .* GB are free")
    assert setup.hub.requests == []


def test_what_is_in_the_way_is_not_touched(setup: Setup) -> None:
    (setup.models / "v1").mkdir(parents=True)
    (setup.models / "v1" / "mine.txt").write_text("mine")
    one_line(setup.run("pull", "v1"), "is in the way")
    assert (setup.models / "v1" / "mine.txt").read_text() == "mine"
    assert setup.hub.requests == []


def test_what_is_not_installed_is_known_before_anything_comes(setup: Setup) -> None:
    arguments = setup.command("pull", "v1")[2:]
    program = "import sys; sys.modules['huggingface_hub'] = None; from timbral.cli import main; sys.exit(main(sys.argv[2:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=setup.settings(),
        capture_output=True,
        text=True,
        check=False,
    )
    one_line(
        Run(done.returncode, done.stdout, done.stderr),
        r"huggingface_hub, .*pip install 'timbral\[hub,train\]'",
    )
    assert setup.hub.requests == []


def test_mistakes(setup: Setup) -> None:
    one_line(setup.run("pull"), "--list")
    one_line(setup.run("pull", "v1", "--list"), "--list")
    one_line(setup.run("pull", "v9"), "no published model 'v9'; there are v1, v2, ")
    one_line(setup.run("pull", "v1", "--precision", "fp8"), "fp8.*fp32, fp16, int8, int4")


def test_the_list_shows_what_there_is_and_what_is_here(setup: Setup) -> None:
    assert setup.run("pull", "v4").code == 0
    lines = setup.run("pull", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]
    assert [line.endswith("not installed") for line in lines] == [True] * 5 + [False]
    assert lines[-1].endswith("installed (int8)")
    rows = json.loads(setup.run("pull", "--list", "--json").out)["models"]
    assert rows[0]["languages"] == ["zh", "en"]
    assert rows[-1]["installed"] == "int8"


def test_the_published_catalog_is_pinned() -> None:
    files = {file for model in catalog.MODELS for file in (*model.files, model.g2pw) if file}
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{40}", file.revision)
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.bytes > 100_000
    assert len({file.sha256 for file in files}) == len({file.path for file in files}) == len(files)
    assert len({model.name.casefold() for model in catalog.MODELS}) == len(catalog.MODELS) == 6
