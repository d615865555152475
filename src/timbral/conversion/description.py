"""The manifest of an imported model."""

from typing import Any

from timbral.conversion.checkpoints import AcousticSizes, FlowMatchingSizes, SemanticSizes
from timbral.conversion.components import Components
from timbral.conversion.export.precision import Precision
from timbral.conversion.families import HOP, LANGUAGES, MEL_FAMILIES, SAMPLE_RATE, symbols_of
from timbral.conversion.graphs import Fingerprints
from timbral.models.manifest import SYMBOLS
from timbral.nets.hifigan import reach_of
from timbral.nets.prior import FRAMES_PER_TOKEN

_TOKEN_RATE = 25
_CAPACITY = 2048
"""Positions of the KV cache.

The phones and tokens of a prompt of 10 s and of 10 s of speech need at most half.
"""
_LONGEST = 10.0
_NOISE_SCALE = 0.5
_SAMPLING = {"top_k": 15, "top_p": 1.0, "temperature": 1.0, "repetition_penalty": 1.35}
_REFERENCE = {"rate": 16000, "silence": 9600, "timbre_rate": 32000}
_VOCODERS = {"v3": ["BigVGAN v2 (NVIDIA, MIT)"], "v4": []}


def describe(
    components: Components, *, name: str, precision: Precision, fingerprints: Fingerprints
) -> dict[str, Any]:
    """The manifest without format and files."""
    symbols = symbols_of(components.version)
    family = MEL_FAMILIES.get(components.version)
    return {
        "name": name,
        "family": "gpt-sovits",
        "version": f"{components.version}-{fingerprints.encoders}",
        "languages": LANGUAGES[symbols],
        "symbols": symbols,
        "sample_rate": family.sample_rate if family else SAMPLE_RATE,
        "token_rate": _TOKEN_RATE,
        "precision": precision,
        "semantic": _semantic(components, SYMBOLS[symbols]),
        "acoustic": _acoustic(components),
        "reference": _REFERENCE,
        "weights": fingerprints.weights,
        "licence": "MIT",
        "attribution": _attribution(components),
    }


def _semantic(components: Components, phonemes: int) -> dict[str, Any]:
    sizes = components.semantic.sizes
    assert isinstance(sizes, SemanticSizes)
    return {
        "layers": sizes.layers,
        "heads": sizes.heads,
        "hidden": sizes.hidden,
        "vocabulary": sizes.vocabulary,
        "eos": sizes.vocabulary - 1,
        "phonemes": phonemes,
        "capacity": _CAPACITY,
        "bert": sizes.bert,
        "prompts": True,
        "longest": _LONGEST,
        "sampling": _SAMPLING,
    }


def _acoustic(components: Components) -> dict[str, Any]:
    sizes = components.acoustic.sizes
    if isinstance(sizes, AcousticSizes):
        return {
            "kind": "vits",
            "hop": HOP,
            "frames_per_token": FRAMES_PER_TOKEN,
            "timbre_size": sizes.timbre,
            "latent": sizes.latent,
            "noise_scale": _NOISE_SCALE,
            "reach": reach_of(
                sizes.upsample_rates, sizes.upsample_kernels, sizes.block_kernels, sizes.block_dilations
            ),
            "speaker": bool(sizes.speaker),
        }
    assert isinstance(sizes, FlowMatchingSizes)
    family = MEL_FAMILIES[components.version]
    return {
        "kind": "flow-matching",
        "frames_per_token": FRAMES_PER_TOKEN,
        "mel_rate": family.mel_rate,
        "mel_sample_rate": family.spectrogram.rate,
        "timbre_size": sizes.timbre,
        "reference_frames": family.reference_frames,
        "chunk_frames": family.chunk_frames,
        "steps": family.steps,
    }


def _attribution(components: Components) -> str:
    """Authors and licences of the networks in the bundle."""
    networks = ["chinese-hubert-base (TencentGameMate, MIT)"]
    if components.bert is not None:
        networks.append("chinese-roberta-wwm-ext-large (HFL, Apache-2.0)")
    if components.speaker is not None:
        networks.append("ERes2NetV2 (3D-Speaker, Apache-2.0)")
    if components.g2pw is not None:
        networks.append("G2PW (GitYCC, Apache-2.0)")
    networks += _VOCODERS.get(components.version, [])
    return f"Weights of GPT-SoVITS {components.version} (RVC-Boss, MIT) or trained from them; holds {', '.join(networks)}."
