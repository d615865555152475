"""Builds a bundle of the trained networks.

    python build.py RUNS PAIRS.npz ALIGNER RESEMBLYZER.pt OUT [--precision int8]

RUNS holds the folders semantic, acoustic, content and durations of the trainings, pace and preferred where train_pace.py and
train_preference.py ran.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from align import PHONES
from runs import WEIGHTS, learned
from train_durations import SHIPPED_PACE
from train_pace import WIDTH
from train_semantic import read_semantic

from timbral.conversion.export.semantic import export_semantic
from timbral.conversion.export.source_filter import export_acoustic, export_durations, export_reference
from timbral.inference.guard.checks import Policy
from timbral.models import Precision, write_manifest
from timbral.models.files import ALIGNER
from timbral.nets.content_encoder import TOKEN_RATE, ContentConfig, ReferenceEncoder
from timbral.nets.durations import DurationPredictor
from timbral.nets.semantic import SemanticConfig
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder
from timbral.nets.timbre_encoder import RATE as ENCODER_RATE

VERSION = "0.7"
"""Of the model; voice files belong to one version, as tokens and timbre differ between versions."""
EDGES = Policy().pause_tokens / 2
"""Tokens of silence at both ends of an utterance."""
LONGEST = 6.0
"""Longest utterance in seconds."""
LICENCE = "CC-BY-SA-4.0"
ATTRIBUTION = (
    "TrainedStage on speech of Kokoro-82M (hexgrad, Apache-2.0), hsk-sentences-audio (no7z, CC-BY-SA-4.0), audio-cmn (hugolpz, "
    "CC-BY-SA-4.0), japanese-vocabulary-pronunciation-audio (tofugu, CC-BY-SA-4.0), jyutnet-cantonese-syllables (jyutnet, "
    "CC-BY-SA-4.0) and dc_tts (PhilippMatthes, Apache-2.0). Content tokens after Whisper-base (OpenAI, MIT), pitch after "
    "SwiftF0 (MIT); holds the GE2E network of Resemblyzer (Apache-2.0)."
)


def token_rates(pairs: Path) -> dict[str, dict[str, float]]:
    """Tokens per phone by language: the least without missing words, the typical number, and the most for any
    sentence.

    The typical number is that of longer sentences without the silence at both ends, which the guard adds.
    """
    with np.load(pairs) as f:
        metas = json.loads(f["meta"].tobytes())
        tokens, phones = f["token_lengths"], f["phone_lengths"]
    rates = {}
    for lang in ("zh", "en", "ja"):
        mine = np.array([m["lang"] == lang for m in metas])
        some, long = mine & (phones >= 12), mine & (phones >= 25)
        rates[lang] = {
            "low": round(float(np.quantile(tokens[some] / phones[some], 0.02)), 2),
            "typical": round(float(np.median((tokens[long] - EDGES) / phones[long])), 2),
            "high": round(1.3 * float(np.quantile(tokens[long] / phones[long], 0.995)), 2),
        }
    return rates


def export_stage_one(runs: Path, out: Path, precision: Precision) -> SemanticConfig:
    preferred = runs / "preferred"
    model = read_semantic(preferred if preferred.exists() else runs / "semantic")
    export_semantic(model.eval(), out, precision)
    return model.config


def export_stage_two(args: argparse.Namespace, semantic: SemanticConfig) -> SourceFilterConfig:
    """Exports stage two, the duration predictor and the reference encoder."""
    weights = learned(args.runs / "acoustic")
    config = SourceFilterConfig(vocabulary=semantic.vocabulary, phonemes=semantic.phonemes)
    latent, vocoder = LatentNet(config), SourceFilterVocoder(config)
    for prefix, network in (("latent.", latent), ("vocoder.", vocoder)):
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        network.load_state_dict(own)
    export_acoustic(latent.eval(), vocoder.eval(), args.out, args.precision)

    durations = DurationPredictor(PHONES)
    durations.load_state_dict(learned(args.runs / "durations"))
    export_durations(durations.eval(), SHIPPED_PACE, args.out, args.precision)

    pace = args.runs / "pace"
    with_pace = (pace / WEIGHTS).exists()
    reference = ReferenceEncoder(ContentConfig(vocabulary=semantic.eos, usual=WIDTH if with_pace else 0))
    # The pace is read from the features of the content encoder.
    reference.content.load_state_dict(learned(args.runs / "content"), strict=not with_pace)
    if reference.content.usual is not None:
        reference.content.usual.load_state_dict(learned(pace))
    reference.timbre.speaker.load_resemblyzer(args.resemblyzer)
    export_reference(reference.eval(), args.out, args.precision)
    return config


def manifest(
    args: argparse.Namespace, semantic: SemanticConfig, acoustic: SourceFilterConfig
) -> dict[str, Any]:
    return {
        "name": "sovits-tiny",
        "family": "sovits-tiny",
        "version": VERSION,
        "languages": ["zh", "en", "ja"],
        "symbols": "v2",
        "sample_rate": acoustic.rate,
        "token_rate": TOKEN_RATE,
        "precision": args.precision,
        "semantic": {
            "layers": semantic.layers,
            "heads": semantic.heads,
            "hidden": semantic.hidden,
            "vocabulary": semantic.vocabulary,
            "eos": semantic.eos,
            "phonemes": semantic.phonemes,
            "capacity": 1600,
            "bert": False,
            "prompts": False,
            "longest": LONGEST,
            "sampling": {"top_k": 15, "top_p": 0.9, "temperature": 0.5, "repetition_penalty": 1.0},
        },
        "acoustic": {
            "kind": "source-filter",
            "hop": acoustic.hop,
            "frames_per_token": acoustic.frames_per_token,
            "context_tokens": acoustic.context_tokens,
            "reach": acoustic.reach,
            "chunk_tokens": 24,
            "timbre_size": acoustic.timbre,
            "phones": True,
            "envelope": acoustic.envelope,
        },
        "reference": {"rate": ENCODER_RATE},
        "guard": token_rates(args.pairs),
        "licence": LICENCE,
        "attribution": ATTRIBUTION,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("aligner", type=Path)
    parser.add_argument("resemblyzer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="int8")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    semantic = export_stage_one(args.runs, args.out, args.precision)
    acoustic = export_stage_two(args, semantic)
    shutil.copyfile(args.aligner, args.out / ALIGNER)
    bundle = write_manifest(args.out, manifest(args, semantic, acoustic))
    for name, entry in bundle.manifest.files.items():
        print(f"{entry.bytes / 1e6:8.2f} MB  {name}")
    print(f"{bundle.size / 1e6:8.2f} MB")


if __name__ == "__main__":
    main()
