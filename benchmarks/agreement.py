#!/usr/bin/env python3
"""What 8 and 4 bits cost stage one of sovits-tiny: tokens that agree with float32 under teacher forcing.

    python benchmarks/agreement.py

The package holds 8-bit weights, which would lose nothing by being stored in 8 bits again. So each weight is first moved by a
random share of its step, up to half of it either way, as real ones lie between steps; then float32 graphs are compared with
8- and 4-bit ones of the same weights, on tokens that the model draws for the sentences of `src/timbral/training/sentences.txt`.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

from timbral.audio.measures import relative_error
from timbral.conversion.export.semantic import export_semantic
from timbral.inference.loading import open_engine
from timbral.inference.semantic.backend import open_backend
from timbral.inference.semantic.teacher_forcing import argmax_agreement, teacher_forced
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, Precision, open_bundle
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP
from timbral.models.weights import read_parameters
from timbral.nets.semantic import SemanticTransformer
from timbral.training.networks import restore_semantic
from timbral.training.sampled_tokens import sample_tokens, sentences

CPU = SessionOptions(device="cpu")
CAPACITY = 400


def between_steps(bundle: Bundle) -> SemanticTransformer:
    """Stage one with weights that 8 bits cannot hold."""
    held = read_parameters(bundle.path(SEMANTIC_STEP)) | read_parameters(bundle.path(SEMANTIC_PREFILL))
    network, chance = restore_semantic(bundle), np.random.default_rng(0)
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            parameter = held[name]
            if parameter.form not in ("_Q8", "_rows"):
                continue
            steps = np.abs(parameter.stored_scales.read().astype(np.float32))
            if parameter.form == "_Q8":
                _, blocks, inputs = parameter.stored.shape
                steps = np.repeat(steps.reshape(-1, blocks), inputs, 1)[:, : weight.shape[1]]
            weight.add_(
                torch.from_numpy((chance.uniform(-0.5, 0.5, weight.shape) * steps).astype(np.float32))
            )
    return network


def main() -> None:
    bundle = open_bundle(None)
    semantic = open_engine(bundle, CPU).semantic
    pairs = [
        pair for lang, texts in sentences().items() for pair in sample_tokens(bundle, semantic, texts, lang)
    ]
    network = between_steps(bundle)
    found: dict[Precision, list[np.ndarray]] = {}
    for precision in ("fp32", "int8", "int4"):
        with tempfile.TemporaryDirectory() as folder:
            export_semantic(network, Path(folder), precision)
            runner = open_backend(
                Path(folder) / SEMANTIC_PREFILL, Path(folder) / SEMANTIC_STEP, CPU, slots=2, capacity=CAPACITY
            )
            found[precision] = [teacher_forced(runner, phones, None, tokens) for phones, tokens in pairs]
    exact = np.concatenate(found.pop("fp32"))
    print(f"{len(pairs)} sentences, {len(exact)} tokens")
    for precision, logits in found.items():
        rounded = np.concatenate(logits)
        agreement, error = (
            argmax_agreement(exact, rounded),
            relative_error(exact, rounded),
        )
        print(f"{precision}: {agreement:.1%} agree, relative error of the logits {error:.3f}")


if __name__ == "__main__":
    main()
