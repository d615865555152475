"""Small random bundles of official families, and the networks that they were exported from."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mel_acoustic_models import small_network as mel_network
from nets_weights import GOLDENS, fill
from torch import nn

from timbral.bundle import seal
from timbral.export.acoustic import export_acoustic
from timbral.export.encoders import export_bert, export_content, export_speaker
from timbral.export.mel_acoustic import MEL, _mel
from timbral.export.semantic import export_semantic
from timbral.export.weights import write_graphs
from timbral.nets.acoustic import FAMILIES, AcousticConfig, AcousticNetwork
from timbral.nets.bert import Bert, BertConfig
from timbral.nets.eres2net import SpeakerConfig, SpeakerNetwork
from timbral.nets.hubert import Hubert, HubertConfig
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.nets.spectrogram import V4

VOCABULARY: list[str] = json.loads((GOLDENS / "word_pieces.json").read_text("utf-8"))["vocabulary"]
SEMANTIC = SemanticConfig(hidden=64, layers=2, heads=4, feed_forward=256)
SPEAKER = SpeakerConfig(channels=16, blocks=(1, 1, 1, 1), scale=2)
V2 = replace(
    FAMILIES["v2"],
    features=64,
    latent=16,
    feed_forward=32,
    layers=1,
    upsample_channels=32,
    block_kernels=(3,),
    block_dilations=((1, 3),),
    posterior=False,
)
STAGE_TWO: Mapping[str, AcousticConfig] = {
    "v2": V2,
    "v2Pro": replace(V2, timbre=48, speaker=SPEAKER.embedding),
}
STEPS = 2
FLOWS: Mapping[str, dict[str, Any]] = {
    "v3": {"mel_rate": 1.875, "mel_sample_rate": 24000, "reference_frames": 90, "chunk_frames": 160},
    "v4": {"mel_rate": 2.0, "mel_sample_rate": 32000, "reference_frames": 95, "chunk_frames": 171},
}
RATES = {"v2": 32000, "v2Pro": 32000, "v3": 24000, "v4": 48000}


def _filled(network: nn.Module, seed: int) -> None:
    fill(network.eval(), seed)


@cache
def semantic() -> SemanticTransformer:
    network = SemanticTransformer(SEMANTIC)
    _filled(network, 1)
    return network


@cache
def hubert() -> Hubert:
    network = Hubert(HubertConfig(hidden=64, layers=1, heads=4, feed_forward=128, conv_channels=32))
    _filled(network, 8)
    return network


@cache
def speaker() -> SpeakerNetwork:
    network = SpeakerNetwork(SPEAKER)
    _filled(network, 6)
    return network


@cache
def bert() -> Bert:
    network = Bert(BertConfig(vocabulary=len(VOCABULARY), layers=1, feed_forward=64))
    _filled(network, 9)
    return network


@cache
def stage_two(family: str) -> AcousticNetwork:
    network = AcousticNetwork(STAGE_TWO[family])
    _filled(network, 2)
    return network


def build(folder: Path, mel_graphs: Mapping[str, Path]) -> dict[str, Path]:
    """A bundle of each family in a folder of its own; mel_graphs: stage two of v3 and v4."""
    shared = folder / "shared"
    export_semantic(semantic(), shared)
    export_content(hubert(), stage_two("v2"), shared)
    export_bert(bert(), shared)
    (shared / "bert_vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
    for family, config in STAGE_TWO.items():
        shutil.copytree(shared, folder / family)
        export_acoustic(stage_two(family), folder / family)
        if config.speaker:
            export_speaker(speaker(), folder / family)
    for family in FLOWS:
        shutil.copytree(shared, folder / family)
        shutil.copytree(mel_graphs[family], folder / family, dirs_exist_ok=True)
    # The recording is heard as the mel of v3 in the graphs that both share.
    write_graphs(folder / "v4", {MEL: _mel(V4)}, "mel.weights")
    for family in RATES:
        seal(folder / family, description(family))
    return {family: folder / family for family in RATES}


def description(family: str) -> dict[str, Any]:
    """The manifest of a family's bundle, without its files."""
    return {
        "name": f"small-{family}",
        "family": "gpt-sovits",
        "version": f"{family}-small",
        "languages": ["zh", "en", "yue"],
        "symbols": "v2",
        "sample_rate": RATES[family],
        "token_rate": 25,
        "precision": "fp32",
        "semantic": {
            "layers": SEMANTIC.layers,
            "heads": SEMANTIC.heads,
            "hidden": SEMANTIC.hidden,
            "vocabulary": SEMANTIC.vocabulary,
            "eos": SEMANTIC.eos,
            "phonemes": SEMANTIC.phonemes,
            "capacity": 1024,
            "bert": True,
        },
        "acoustic": _acoustic(family),
        "reference": {"rate": 16000, "silence": 9600, "timbre_rate": 32000},
        "reading": "official",
        "licence": "CC0-1.0",
        "attribution": "nobody",
    }


def _acoustic(family: str) -> dict[str, Any]:
    if family in FLOWS:
        flow = {"kind": "flow-matching", "frames_per_token": 2, "steps": STEPS, **FLOWS[family]}
        return {**flow, "timbre_size": mel_network().config.timbre}
    config = STAGE_TWO[family]
    shape = {"kind": "vits", "hop": 640, "frames_per_token": 2, "latent": config.latent}
    return {**shape, "timbre_size": config.timbre, "speaker": bool(config.speaker)}
