#!/usr/bin/env python3
"""Sizes of a v2 model of official size after compression, packed, with the memory that the step takes.

    python benchmarks/compression_official.py DIR [--steps quantize:size=228MB,packed=true]

Weights are synthetic: normally distributed, as the weights of trained networks nearly are within a block of 128,
so that sizes behind the entropy coder are about those of real ones. How a model of real weights sounds after
it is not known from this. DIR keeps the float16 bundle, the compressed one and its intermediate results.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

GROUPS = {
    "stage one": ("semantic",),
    "stage two": ("acoustic", "latent", "vocoder", "timbre"),
    "HuBERT": ("content",),
    "BERT": ("bert",),
}
"""Files by the beginnings of their names."""
STEPS = "quantize:size=228MB,packed=true"


def build(folder: Path) -> None:
    """A bundle of v2 at the official size, in float16."""
    import official_models as models

    from tests.helpers.nets_weights import fill
    from timbral.conversion.export import acoustic, encoders, semantic
    from timbral.models import write_manifest
    from timbral.nets.bert import Bert, BertConfig
    from timbral.nets.hubert import Hubert, HubertConfig

    semantic.export_semantic(models.semantic_network(), folder, "fp16")
    for variant in folder.glob("semantic_*_fp16.onnx"):
        variant.unlink()
    network = models.acoustic_network("v2")
    acoustic.export_acoustic(network, folder, "fp16")
    hubert = Hubert(HubertConfig()).eval()
    fill(hubert, seed=3)
    encoders.export_content(hubert, network, folder, "fp16")
    del hubert, network
    bert = Bert(BertConfig()).eval()
    fill(bert, seed=4)
    encoders.export_bert(bert, folder, "fp16")
    (folder / "bert_vocab.txt").write_text("\n".join(vocabulary(bert.config.vocabulary)), "utf-8")
    write_manifest(folder, description())


def vocabulary(size: int) -> list[str]:
    """Special tokens and Chinese characters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + [chr(0x4E00 + number) for number in range(size - len(special))]


def description() -> dict[str, object]:
    from timbral.nets.acoustic import FAMILIES
    from timbral.nets.semantic import SemanticConfig

    one, two = SemanticConfig(), FAMILIES["v2"]
    return {
        "name": "synthetic-v2",
        "family": "gpt-sovits",
        "version": "v2-synthetic",
        "languages": ["zh", "en"],
        "symbols": "v2",
        "sample_rate": 32000,
        "token_rate": 25,
        "precision": "fp16",
        "semantic": {
            "layers": one.layers,
            "heads": one.heads,
            "hidden": one.hidden,
            "vocabulary": one.vocabulary,
            "eos": one.eos,
            "phonemes": one.phonemes,
            "capacity": 1500,
            "bert": True,
        },
        "acoustic": {
            "kind": "vits",
            "hop": 640,
            "frames_per_token": 2,
            "timbre_size": two.timbre,
            "latent": two.latent,
        },
        "reference": {"rate": 16000, "silence": 9600, "timbre_rate": 32000},
        "licence": "CC0-1.0",
        "attribution": "nobody: synthetic weights",
    }


def packed_bytes(path: Path) -> int:
    """Bytes of a file in a package."""
    from timbral.models.package import compressed_size

    return compressed_size(path)


def report(folder: Path) -> None:
    print(f"{'':12} {'MB':>8} {'packed':>8}")
    total = speaking = 0
    for name, beginnings in GROUPS.items():
        paths = [path for path in sorted(folder.iterdir()) if path.name.startswith(beginnings)]
        size, packed = sum(path.stat().st_size for path in paths), sum(map(packed_bytes, paths))
        print(f"{name:12} {size / 1e6:8.1f} {packed / 1e6:8.1f}")
        total += packed
        speaking += packed if name.startswith("stage") else 0
    print(f"to speak {speaking / 1e6:.1f} MB, with HuBERT and BERT {total / 1e6:.1f} MB, packed")


PRODUCTS = {"semantic": (4, 64), "content": (3, 128), "bert": (3, 128)}
"""Bits and block of matrix products by the beginnings of graphs' names, for sizes without a search."""


def write_by_hand(parent: Path, out: Path) -> None:
    """The model with the formats of PRODUCTS, tables in 4 bits and everything else in 8, rounded to the nearest."""
    import shutil

    from timbral.compression.quantization.float_graphs import read_float_model
    from timbral.compression.quantization.formats import Format, nearest
    from timbral.compression.quantization.rewriting import write_model
    from timbral.models import read_bundle, write_manifest

    bundle = read_bundle(parent, verify=False)
    model = read_float_model(bundle)
    rounded = {}
    for key, weight in model.weights.items():
        graph = weight.users[0][0]
        products = next((each for name, each in PRODUCTS.items() if graph.startswith(name)), (8, 64))
        wanted = {"product": Format(*products), "table": Format(4), "dense": Format(8)}[weight.kind]
        rounded[key] = nearest(weight, wanted)
    out.mkdir()
    write_model(out, model, rounded)
    for name in bundle.manifest.files:
        if not (out / name).exists():
            shutil.copyfile(parent / name, out / name)
    write_manifest(out, bundle.manifest.model_dump(exclude={"format", "files"}))
    print(
        f"formats by hand, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", default=STEPS)
    parser.add_argument("--by-hand", action="store_true", help="sizes of formats that are not searched for")
    arguments = parser.parse_args()
    parent, out = arguments.folder / "parent", arguments.folder / "compressed"
    if not (parent / "bundle.json").is_file():
        parent.mkdir(parents=True, exist_ok=True)
        build(parent)
        print(f"built, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB", flush=True)
    report(parent)
    if arguments.by_hand:
        if not out.is_dir():
            write_by_hand(parent, out)
        report(out)
        return
    began = time.perf_counter()
    command = [sys.executable, "-m", "timbral", "compress", str(parent), "-o", str(out)]
    subprocess.run(
        [*command, "--steps", arguments.steps, "--work", str(arguments.folder / "work")], check=True
    )
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{arguments.steps}: {time.perf_counter() - began:.0f} s, {usage.ru_utime:.0f} s of CPU, "
        f"peak {usage.ru_maxrss / 1e6:.1f} GB"
    )
    report(out)


if __name__ == "__main__":
    main()
