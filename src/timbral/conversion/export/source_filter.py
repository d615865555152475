"""The embedded family as graphs: `content`, `timbre`, `latent` and `vocoder`, beside the two of stage one.

`content.onnx`     audio float32 [1, n] at 16 kHz → tokens int64 [1, T], T = n // 640, and f0 float32 [1, 4 T] in Hz,
                   0 where there is none; with the network's `UsualTime` usual float32 [1, T] in seconds
`timbre.onnx`      audio float32 [1, n] at 16 kHz → timbre float32 [1, D]
`latent.onnx`      tokens int64 [1, T], timbre float32 [1, D] → latent float32 [1, C, F], f0 float32 [1, F] in Hz, F = 4 T;
                   with phones int64 [1, T, 2] where the network has them; tokens then affect f0 only
`durations.onnx`   for such a network: phones int64 [1, n] → durations float32 [1, n] in tokens
`vocoder.onnx`     latent, timbre, f0, phase float32 [1, F] in cycles, noise float32 [1, F * hop],
                   residuals float32 [1, n, 2, P] → audio [1, F * hop]
`envelope.onnx`    tokens, timbre and f0 of a recording → predicted spectral envelope float32 [1, F, P], without phones
"""

from pathlib import Path

import onnx
import torch
from torch import Tensor

from timbral.conversion.export.graph import to_graph
from timbral.conversion.export.precision import Precision
from timbral.conversion.export.weights import write_graphs
from timbral.models import files
from timbral.nets.content_encoder import ReferenceEncoder
from timbral.nets.durations import DurationPredictor
from timbral.nets.source_filter import EnvelopePredictor, LatentNet, SourceFilterConfig, SourceFilterVocoder

_TOKENS = 20
"""Of the examples that graphs are traced with."""


def export_reference(network: ReferenceEncoder, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the two encoders of a recording.

    The timbre needs the pitch that the content encoder estimates.
    """
    # Long enough for several windows of the speaker encoder: the exporter takes a size of 1 for a constant.
    inputs, free = {"audio": torch.randn(1, 64_000)}, {"audio": {1: "samples"}}
    heard = ("tokens", "f0", *(("usual",) if network.content.usual else ()))
    write_graphs(
        folder,
        {
            files.CONTENT: to_graph(network, network.hear, inputs, heard, free),
            files.TIMBRE: to_graph(network, lambda audio: (network(audio)[1],), inputs, ("timbre",), free),
        },
        "reference.weights",
        precision,
    )


def export_acoustic(
    latent: LatentNet, vocoder: SourceFilterVocoder, folder: Path, precision: Precision = "fp32"
) -> None:
    """Writes the graphs of stage two."""
    config, both = latent.config, EnvelopePredictor(latent, vocoder)
    tokens, frames = _TOKENS, _TOKENS * config.frames_per_token
    timbre = _timbre(config)
    write_graphs(
        folder,
        {
            files.LATENT: latent_graph(latent),
            files.VOCODER: vocoder_graph(vocoder),
            files.ENVELOPE: to_graph(
                both,
                lambda *inputs: (both(*inputs),),
                {
                    "tokens": torch.zeros(1, tokens, dtype=torch.long),
                    "timbre": timbre,
                    "f0": torch.full((1, frames), 120.0),
                },
                ("envelope",),
                {"tokens": {1: "tokens"}, "f0": {1: "frames"}},
            ),
        },
        "acoustic.weights",
        precision,
    )


def latent_graph(latent: LatentNet) -> onnx.ModelProto:
    """`latent.onnx` in float32."""
    config = latent.config
    phones = {"phones": torch.zeros(1, _TOKENS, 2, dtype=torch.long)} if config.phonemes else {}
    return to_graph(
        latent,
        latent.speak if config.phonemes else latent,
        {"tokens": torch.zeros(1, _TOKENS, dtype=torch.long), "timbre": _timbre(config), **phones},
        ("latent", "f0"),
        {name: {1: "tokens"} for name in ("tokens", *phones)},
    )


def vocoder_graph(vocoder: SourceFilterVocoder) -> onnx.ModelProto:
    """`vocoder.onnx` in float32."""
    config = vocoder.config
    frames = _TOKENS * config.frames_per_token
    return to_graph(
        vocoder,
        lambda *inputs: (vocoder(*inputs),),
        {
            "latent": torch.randn(1, config.latent, frames),
            "timbre": _timbre(config),
            "f0": torch.full((1, frames), 120.0),
            "phase": torch.rand(1, frames),
            "noise": torch.randn(1, frames * config.hop),
            "residuals": torch.randn(1, 7, 2, config.envelope),
        },
        ("audio",),
        {
            "latent": {2: "frames"},
            "f0": {1: "frames"},
            "phase": {1: "frames"},
            "noise": {1: "samples"},
            "residuals": {1: "sounds"},
        },
    )


def _timbre(config: SourceFilterConfig) -> Tensor:
    timbre = torch.randn(1, config.timbre)
    timbre[:, -1] = 7.5
    return timbre


def export_durations(
    network: DurationPredictor, pace: tuple[float, float], folder: Path, precision: Precision = "fp32"
) -> None:
    """Writes the duration model at one pace."""
    usual = torch.tensor([pace])
    write_graphs(
        folder,
        {
            files.DURATIONS: to_graph(
                network,
                lambda phones: (network(phones, usual),),
                {"phones": torch.arange(20)[None]},
                ("durations",),
                {"phones": {1: "phones"}},
            )
        },
        "durations.weights",
        precision,
    )
