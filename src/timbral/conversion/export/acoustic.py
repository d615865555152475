"""Stage two of v1, v2, v2Pro and v2ProPlus as three ONNX graphs, `timbre`, `latent` and `vocoder`, over one weight file.

Files: `timbre.onnx`, `latent.onnx`, `vocoder.onnx`, and `acoustic.weights`, which must lie beside them.

`timbre`
    audio    float32 [1, n]         a reference at 32 kHz, n at least 705
    speaker  float32 [1, S]         its speaker embedding; only where the family has it (v2Pro, v2ProPlus)
  gives
    timbre   float32 [1, D]
  It runs once a reference, and all that is spoken depends on it: it computes with float weights in every precision.

`latent`
    tokens   int64   [1, T]         semantic tokens, 25 a second
    phones   int64   [1, P]
    timbre   float32 [1, D]         mean over the references of a voice
    select   int64   [R]            which of the 2 T frames to speak: all of them, or the last of a stream
    overlap  float32 [1, H, K]      the last frames of a stream's piece before; the first K selected ones,
                                    which repeat them, are faded in over them; K is 0 for a first piece
    noise    float32 [1, C, F]      standard normal times the noise scale (officially 0.5); frames are
                                    stretched to F: R at normal speed, officially int(R / speed) + 1 otherwise
  gives
    latent   float32 [1, C, F]
    frames   float32 [1, H, R]      of which the next piece's overlap is taken

`vocoder`
    latent   float32 [B, C, F]
    timbre   float32 [B, D]
  gives
    audio    float32 [B, F * 640]   samples at 32 kHz
  Rows may be overlapping windows of one utterance, which onnxruntime works on in parallel where it would not
  share out a single row (`timbral.inference.acoustic.vocoder_windows`).
"""

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import onnx
import torch
from torch import Tensor, nn

from timbral.conversion.export.calibration import Example, quantize_convolutions
from timbral.conversion.export.conv2d import convolutions_to_2d
from timbral.conversion.export.graph import to_graph
from timbral.conversion.export.precision import Precision, encoder_precision
from timbral.conversion.export.weights import write_graphs
from timbral.models import files
from timbral.nets.acoustic import AcousticNetwork, joined
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.spectrogram import TIMBRE as SPECTRUM
from timbral.nets.spectrogram import LinearSpectrogram

WEIGHTS = "acoustic.weights"


NOISE_SCALE = 0.5
"""Of the latent, officially; calibration hears what the vocoder will be given."""


class Utterance(NamedTuple):
    """What stage two speaks: semantic tokens int64 [1, T], phones int64 [1, P], timbre float32 [1, D]."""

    tokens: Tensor
    phones: Tensor
    timbre: Tensor


def export_acoustic(
    network: AcousticNetwork,
    folder: Path,
    precision: Precision = "fp32",
    calibration: Iterable[Utterance] = (),
) -> None:
    """Writes the three graphs of `network` and their weights, with weight norm folded, into `folder`.

    calibration: utterances of a second or so, of several voices, by which the vocoder's convolutions are made 8-bit
    (`timbral.conversion.export.calibration`). Without any they stay float, and a vocoder takes about as long in every precision.
    """
    examples = vocoder_examples(network, calibration)
    network = copy.deepcopy(network)
    fold_weight_norm(network)
    convolutions_to_2d(network.dec)
    config = network.config

    def latent(
        tokens: Tensor, phones: Tensor, timbre: Tensor, select: Tensor, overlap: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        ge = timbre.unsqueeze(2)
        frames = network.prior(tokens, phones, ge).index_select(2, select)
        frames = joined(frames, overlap)
        return network.latent(frames, ge, noise), frames

    def vocoder(latent: Tensor, timbre: Tensor) -> tuple[Tensor]:
        return (network.dec(latent.unsqueeze(2), timbre[:, :, None, None]).flatten(1),)

    timbre = torch.zeros(1, config.timbre)
    voice = to_graph(
        network,
        vocoder,
        {"latent": torch.zeros(2, config.latent, 17), "timbre": torch.zeros(2, config.timbre)},
        ("audio",),
        {"latent": {0: "B", 2: "F"}, "timbre": {0: "B"}},
    )
    if examples:
        voice = quantize_convolutions(voice, examples)
    write_graphs(
        folder,
        {
            files.TIMBRE: _timbre(network),
            files.LATENT: to_graph(
                network,
                latent,
                {
                    "tokens": torch.zeros(1, 12, dtype=torch.long),
                    "phones": torch.zeros(1, 9, dtype=torch.long),
                    "timbre": timbre,
                    "select": torch.arange(4, 24),
                    "overlap": torch.zeros(1, config.hidden, 3),
                    "noise": torch.zeros(1, config.latent, 17),
                },
                ("latent", "frames"),
                {
                    "tokens": {1: "T"},
                    "phones": {1: "P"},
                    "select": {0: "R"},
                    "overlap": {2: "K"},
                    "noise": {2: "F"},
                },
            ),
            files.VOCODER: voice,
        },
        WEIGHTS,
        precision,
        {files.TIMBRE: encoder_precision(precision)},
    )


def _timbre(network: AcousticNetwork) -> onnx.ModelProto:
    spectrum = LinearSpectrogram(SPECTRUM)
    parts: list[nn.Module] = [spectrum, network.ref_enc]
    inputs = {"audio": torch.zeros(1, SPECTRUM.rate)}
    if network.config.speaker:
        parts += [network.sv_emb, network.prelu]
        inputs["speaker"] = torch.zeros(1, network.config.speaker)

    def timbre(audio: Tensor, speaker: Tensor | None = None) -> tuple[Tensor]:
        return (network.timbre(spectrum(audio), speaker).squeeze(2),)

    return to_graph(nn.ModuleList(parts), timbre, inputs, ("timbre",), {"audio": {1: "n"}})


@torch.inference_mode()
def vocoder_examples(network: AcousticNetwork, utterances: Iterable[Utterance]) -> list[Example]:
    """What the vocoder's graph is given for these utterances."""
    rng = torch.Generator().manual_seed(0)
    examples: list[Example] = []
    for tokens, phones, timbre in utterances:
        ge = timbre.unsqueeze(2)
        frames = network.prior(tokens, phones, ge)
        noise = NOISE_SCALE * torch.randn(1, network.config.latent, frames.shape[2], generator=rng)
        latent = network.latent(frames, ge, noise)
        examples.append({"latent": latent.numpy(), "timbre": timbre.numpy()})
    return examples
