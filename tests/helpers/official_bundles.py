"""Small random bundles of official families, and the networks that they were exported from."""

import json
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.helpers import import_files as files
from tests.helpers.nets_weights import GOLDENS, fill
from timbral.conversion.export.acoustic import export_acoustic
from timbral.conversion.export.encoders import export_bert, export_content, export_speaker
from timbral.conversion.export.mel_acoustic import export_mel_acoustic, export_mel_vocoder
from timbral.conversion.export.semantic import export_semantic
from timbral.models import write_manifest
from timbral.nets.bert import Bert, BertConfig
from timbral.nets.spectrogram import V3, V4

VOCABULARY: list[str] = json.loads((GOLDENS / "word_pieces.json").read_text("utf-8"))["vocabulary"]
STEPS = 2
FLOWS: Mapping[str, dict[str, Any]] = {
    "v3": {"mel_rate": 1.875, "mel_sample_rate": 24000, "reference_frames": 90, "chunk_frames": 160},
    "v4": {"mel_rate": 2.0, "mel_sample_rate": 32000, "reference_frames": 95, "chunk_frames": 171},
}
RATES = {"v2": 32000, "v2Pro": 32000, "v3": 24000, "v4": 48000}


@cache
def bert() -> Bert:
    """It knows the characters of the tests' sentences."""
    network = Bert(BertConfig(vocabulary=len(VOCABULARY), layers=1, feed_forward=64)).eval()
    fill(network, 9)
    return network


def stage_two(family: str) -> Any:
    """The network of stage two; v3 and v4 share one."""
    return files.mel_acoustic() if family in FLOWS else files.acoustic(family)


def build(folder: Path) -> dict[str, Path]:
    """A bundle of each family in a folder of its own."""
    export_semantic(files.semantic("v2"), folder / "shared")
    export_bert(bert(), folder / "shared")
    (folder / "shared" / "bert_vocab.txt").write_text("\n".join(VOCABULARY), "utf-8")
    for family in RATES:
        shutil.copytree(folder / "shared", folder / family)
        export_content(files.hubert(), stage_two(family), folder / family)
        if family in FLOWS:
            export_mel_acoustic(stage_two(family), {"v3": V3, "v4": V4}[family], folder / family)
            export_mel_vocoder(files.vocoder(family), folder / family)
        else:
            export_acoustic(stage_two(family), folder / family)
        if family == "v2Pro":
            export_speaker(files.speaker(), folder / family)
        write_manifest(folder / family, description(family))
    return {family: folder / family for family in RATES}


def description(family: str) -> dict[str, Any]:
    """The manifest of a family's bundle, without its files."""
    semantic = files.semantic("v2").config
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
            "layers": semantic.layers,
            "heads": semantic.heads,
            "hidden": semantic.hidden,
            "vocabulary": semantic.vocabulary,
            "eos": semantic.eos,
            "phonemes": semantic.phonemes,
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
    config = stage_two(family).config
    if family in FLOWS:
        flow = {"kind": "flow-matching", "frames_per_token": 2, "steps": STEPS, **FLOWS[family]}
        return {**flow, "timbre_size": config.timbre}
    reach = stage_two(family).dec.reach
    shape = {"kind": "vits", "hop": 640, "frames_per_token": 2, "latent": config.latent, "reach": reach}
    return {**shape, "timbre_size": config.timbre, "speaker": bool(config.speaker)}
