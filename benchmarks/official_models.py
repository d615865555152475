"""Our networks at the official sizes with synthetic weights (the recipe of tests/data/goldens), and their graphs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import torch
from onnx import TensorProto

from tests.helpers.nets_weights import fill
from timbral.conversion.export import acoustic, encoders, semantic
from timbral.conversion.export.precision import Precision
from timbral.models import files
from timbral.nets.acoustic import FAMILIES, AcousticNetwork
from timbral.nets.bert import Bert, BertConfig
from timbral.nets.semantic import SemanticConfig, SemanticTransformer

HEARD = 6
"""Utterances by which the vocoder is calibrated."""


def semantic_network() -> SemanticTransformer:
    network = SemanticTransformer(SemanticConfig()).eval()
    fill(network, seed=1)
    return network


def acoustic_network(family: str) -> AcousticNetwork:
    network = AcousticNetwork(replace(FAMILIES[family], posterior=False)).eval()
    fill(network, seed=2)
    return network


@torch.inference_mode()
def utterance(network: AcousticNetwork, seed: int, tokens: int) -> acoustic.Utterance:
    """Random tokens and phones in a timbre of random sound: all the variety that synthetic weights can see."""
    rng = torch.Generator().manual_seed(seed)
    config = network.config
    spectrum = torch.randn(1, config.spectrum_bins, 60, generator=rng).abs()
    speaker = torch.randn(1, config.speaker, generator=rng) if config.speaker else None
    return acoustic.Utterance(
        torch.randint(0, config.codes, (1, tokens), generator=rng),
        torch.randint(0, config.phonemes, (1, tokens // 2), generator=rng),
        network.timbre(spectrum, speaker)[:, :, 0],
    )


def export_semantic(folder: Path, precisions: Sequence[Precision]) -> None:
    """Writes what is not there yet, each precision into a folder of its name."""
    missing = [name for name in precisions if not (folder / name / semantic.WEIGHTS).exists()]
    network = semantic_network() if missing else None
    for name in missing:
        assert network is not None
        semantic.export_semantic(network, folder / name, name)


def export_acoustic(folder: Path, family: str) -> None:
    """As `export_semantic`, in float32 and with 8-bit convolutions."""
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for name in precisions:
        if not (folder / name / acoustic.WEIGHTS).exists():
            network = acoustic_network(family)
            heard = [utterance(network, seed, 20) for seed in range(HEARD if name == "int8" else 0)]
            acoustic.export_acoustic(network, folder / name, name, heard)


def export_bert(folder: Path) -> None:
    """As `export_semantic`, with 8-bit products."""
    if not (folder / files.BERT).exists():
        encoders.export_bert(Bert(BertConfig()).eval(), folder, "int8")


def read_by_a_step(folder: Path) -> int:
    """Bytes of weights that a step reads: not tables, of which it looks up a row; float16 is widened when loaded."""
    model = onnx.load(folder / files.SEMANTIC_STEP)
    looked_up = {name for node in model.graph.node if node.op_type == "Gather" for name in node.input[:1]}
    return sum(
        len(tensor.raw_data) * (2 if tensor.data_type == TensorProto.FLOAT16 else 1)
        for tensor in model.graph.initializer
        if tensor.name not in looked_up
    )
