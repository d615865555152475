"""Puts the trained networks together into a bundle.

    python build.py RUNS PAIRS.npz LISTENER RESEMBLYZER.pt OUT [--precision int8]

RUNS holds the folders semantic, acoustic, content and durations of the trainings, and preferred where train_preference.py ran.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from align import PHONES
from runs import learned
from train_durations import RECORDED
from train_semantic import read_semantic

from timbral.conversion.export.semantic import export_semantic
from timbral.conversion.export.source_filter import export_acoustic, export_durations, export_reference
from timbral.inference.guard.guard import Policy
from timbral.inference.loading import LISTENER
from timbral.models import write_manifest
from timbral.nets.content_encoder import ContentConfig, ReferenceEncoder
from timbral.nets.durations import DurationPredictor
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder

VERSION = "0.7"
"""Of the model: a voice file belongs to one version, since tokens and timbre mean something only there."""
EDGES = Policy().pause_tokens / 2
"""Tokens of silence at both ends of an utterance."""
LONGEST = 6.0
"""Seconds of a piece of text: the next one is not begun before it is drawn."""
SLOWER = 0.05
"""Than Kokoro speaks on average, as a logarithm."""
LICENCE = "CC-BY-SA-4.0"
ATTRIBUTION = (
    "TrainedStage on speech of Kokoro-82M (hexgrad, Apache-2.0), hsk-sentences-audio (no7z, CC-BY-SA-4.0), audio-cmn (hugolpz, "
    "CC-BY-SA-4.0), japanese-vocabulary-pronunciation-audio (tofugu, CC-BY-SA-4.0), jyutnet-cantonese-syllables (jyutnet, "
    "CC-BY-SA-4.0) and dc_tts (PhilippMatthes, Apache-2.0). Content tokens after Whisper-base (OpenAI, MIT), pitch after "
    "SwiftF0 (MIT); holds the GE2E network of Resemblyzer (Apache-2.0)."
)


def token_rates(pairs: Path) -> dict[str, dict[str, float]]:
    """Tokens a phone by language: few enough for words to be missing, what is normal, too many for any sentence.

    What is normal is read off longer sentences, without the silence at both ends: the guard adds it to every sentence.
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("resemblyzer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--precision", choices=("fp32", "int8"), default="int8")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    preferred = args.runs / "preferred"
    speaker = read_semantic(preferred if preferred.exists() else args.runs / "semantic")
    config = speaker.config
    export_semantic(speaker.eval(), args.out, args.precision)

    acoustic = learned(args.runs / "acoustic")
    shape = SourceFilterConfig(vocabulary=config.vocabulary, phonemes=config.phonemes)
    latent, vocoder = LatentNet(shape), SourceFilterVocoder(shape)
    latent.load_state_dict({k[7:]: v for k, v in acoustic.items() if k.startswith("latent.")})
    vocoder.load_state_dict({k[8:]: v for k, v in acoustic.items() if k.startswith("vocoder.")})
    export_acoustic(latent.eval(), vocoder.eval(), args.out, args.precision)

    durations = DurationPredictor(PHONES)
    durations.load_state_dict(learned(args.runs / "durations"))
    export_durations(durations.eval(), (SLOWER, RECORDED), args.out, args.precision)

    reference = ReferenceEncoder(ContentConfig(vocabulary=config.eos))
    reference.content.load_state_dict(learned(args.runs / "content"))
    reference.timbre.speaker.load_resemblyzer(args.resemblyzer)
    export_reference(reference.eval(), args.out, args.precision)

    shutil.copyfile(args.listener, args.out / LISTENER)

    bundle = write_manifest(
        args.out,
        {
            "name": "sovits-tiny",
            "family": "sovits-tiny",
            "version": VERSION,
            "languages": ["zh", "en", "ja"],
            "symbols": "v2",
            "sample_rate": shape.rate,
            "token_rate": 25,
            "precision": args.precision,
            "semantic": {
                "layers": config.layers,
                "heads": config.heads,
                "hidden": config.hidden,
                "vocabulary": config.vocabulary,
                "eos": config.eos,
                "phonemes": config.phonemes,
                "capacity": 1600,
                "bert": False,
                "prompts": False,
                "longest": LONGEST,
                "sampling": {"top_k": 15, "top_p": 0.9, "temperature": 0.5, "repetition_penalty": 1.0},
            },
            "acoustic": {
                "kind": "source-filter",
                "hop": shape.hop,
                "frames_per_token": shape.frames_per_token,
                "context_tokens": shape.context_tokens,
                "chunk_tokens": 24,
                "timbre_size": shape.timbre,
                "phones": True,
                "envelope": shape.envelope,
            },
            "reference": {"rate": 16_000},
            "guard": token_rates(args.pairs),
            "licence": LICENCE,
            "attribution": ATTRIBUTION,
        },
    )
    for name, entry in bundle.manifest.files.items():
        print(f"{entry.bytes / 1e6:8.2f} MB  {name}")
    print(f"{bundle.size / 1e6:8.2f} MB")


if __name__ == "__main__":
    main()
