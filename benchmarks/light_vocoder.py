#!/usr/bin/env python3
"""The light vocoder beside HiFi-GAN of v2 at the official size, with synthetic weights: time, size, parameters.

    python benchmarks/light_vocoder.py DIR [--threads 2] [--turns 5] [--hidden 384] [--blocks 8]

Both read the same latent of 5 s, as graphs of onnxruntime in float32 and in the precision of int8 bundles (8-bit
convolutions there, 8-bit products here). DIR keeps the graphs. How a trained one sounds is not known from this.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

FRAMES = 250
"""5 s at 50 Hz."""


def graphs(folder: Path, hidden: int, blocks: int) -> dict[str, Path]:
    """Writes the graphs that are not there yet; their paths by name."""
    import official_models as models
    import torch

    from timbral.conversion.export.acoustic import synthesis_graphs
    from timbral.conversion.export.istft_vocoder import istft_vocoder_graph
    from timbral.conversion.export.precision import to_precision
    from timbral.conversion.export.weights import write_graphs
    from timbral.models.files import VOCODER
    from timbral.nets.istft_vocoder import IstftConfig, IstftVocoder

    found = {name: folder / name.replace(" ", "-") for name in ("HiFi-GAN fp32", "HiFi-GAN int8")}
    light = {name: folder / f"{name}-{hidden}-{blocks}" for name in ("light fp32", "light int8")}
    for name, path in found.items():
        if not (path / VOCODER).exists():
            network = models.acoustic_network("v2")
            heard = [models.utterance(network, seed, 20) for seed in range(models.HEARD)]
            graph = synthesis_graphs(network, heard if name.endswith("int8") else ())[VOCODER]
            write_graphs(path, {VOCODER: graph}, "vocoder.weights", "int8" if "int8" in name else "fp32")
    for name, path in light.items():
        if not (path / VOCODER).exists():
            torch.manual_seed(0)
            config = IstftConfig(192, 512, 640, split=4, hidden=hidden, blocks=blocks)
            graph = istft_vocoder_graph(IstftVocoder(config).eval())
            graph = to_precision(graph, "int8" if "int8" in name else "fp32")
            write_graphs(path, {VOCODER: graph}, "vocoder.weights")
    return {name: path / VOCODER for name, path in (found | light).items()}


def opened(path: Path, threads: int) -> Callable[[], object]:
    """Runs a vocoder on one latent."""
    from timbral.inference.sessions import Graph, SessionOptions

    graph = Graph(path, ("latent", "timbre"), ("audio",), SessionOptions(device="cpu", threads=threads))
    chance = np.random.default_rng(0)
    inputs = {
        "latent": chance.standard_normal((1, 192, FRAMES)).astype(np.float32),
        "timbre": chance.standard_normal((1, 512)).astype(np.float32),
    }
    return lambda: graph(inputs)


def main() -> None:
    from measuring import interleaved

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--blocks", type=int, default=8)
    args = parser.parse_args()
    paths = graphs(args.folder, args.hidden, args.blocks)
    times = interleaved({name: opened(path, args.threads) for name, path in paths.items()}, args.turns)
    first = next(iter(times.values()))
    print(f"{'vocoder of v2, 5 s of sound':<28}{'ms':>18}{'times as fast':>18}{'MB':>8}")
    for name, timing in times.items():
        size = sum(file.stat().st_size for file in paths[name].parent.iterdir()) / 1e6
        print(f"{name:<28}{timing!s:>18}{timing.over(first):>18}{size:>8.1f}")


if __name__ == "__main__":
    main()
