"""Stage two of v1, v2, v2Pro and v2ProPlus as the ONNX graphs `timbre`, `latent` and `vocoder`.

Files: `timbre.onnx`, `latent.onnx`, `vocoder.onnx`, and `acoustic.weights`, which must lie beside them.

`timbre`
    audio    float32 [1, n]         a reference at 32 kHz, n at least 705
    speaker  float32 [1, S]         its speaker embedding; only where the family has it (v2Pro, v2ProPlus)
  gives
    timbre   float32 [1, D]
  Runs once per reference, with float weights in every precision.

`latent`
    tokens   int64   [1, T]         semantic tokens, 25 a second
    phones   int64   [1, P]
    timbre   float32 [1, D]         mean over the references of a voice
    select   int64   [R]            which of the 2 T frames to synthesise: all of them, or the last of a stream
    overlap  float32 [1, H, K]      the last frames of a stream's previous chunk, cross-faded with the first K
                                    selected ones; K is 0 for the first chunk
    noise    float32 [1, C, F]      standard normal times the noise scale (officially 0.5); frames are
                                    stretched to F: R at normal speed, officially int(R / speed) + 1 otherwise
  gives
    latent   float32 [1, C, F]
    frames   float32 [1, H, R]      whose last ones are the next chunk's overlap

`vocoder`
    latent   float32 [B, C, F]
    timbre   float32 [B, D]
  gives
    audio    float32 [B, F * 640]   samples at 32 kHz
  Rows may be overlapping windows of one utterance, which onnxruntime runs in parallel
  (`timbral.inference.acoustic.vocoder_windows`).
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
from timbral.nets.normalization import fold_weight_norm, folded_copy
from timbral.nets.spectrogram import TIMBRE as SPECTRUM
from timbral.nets.spectrogram import LinearSpectrogram

WEIGHTS = "acoustic.weights"


_NOISE_SCALE = 0.5
"""Of the latent, officially."""


class Utterance(NamedTuple):
    """Input of stage two: semantic tokens int64 [1, T], phones int64 [1, P], timbre float32 [1, D]."""

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

    calibration: utterances of a second or so, of several voices, on which the vocoder's convolutions are
    quantised to 8 bits (`timbral.conversion.export.calibration`). Without any they stay float.
    """
    graphs = {files.TIMBRE: _timbre(folded_copy(network)), **synthesis_graphs(network, calibration)}
    write_graphs(folder, graphs, WEIGHTS, precision, {files.TIMBRE: encoder_precision(precision)})


def synthesis_graphs(
    network: AcousticNetwork, calibration: Iterable[Utterance] = ()
) -> dict[str, onnx.ModelProto]:
    """`latent` and `vocoder` in float32, or the latter with 8-bit convolutions; calibration: see `export_acoustic`."""
    examples = vocoder_examples(network, calibration)
    network = copy.deepcopy(network)
    fold_weight_norm(network)
    convolutions_to_2d(network.dec)
    vocoder = _vocoder(network)
    if examples:
        vocoder = quantize_convolutions(vocoder, examples)
    return {files.LATENT: _latent(network), files.VOCODER: vocoder}


def _vocoder(network: AcousticNetwork) -> onnx.ModelProto:
    """The decoder, whose convolutions are two-dimensional (`convolutions_to_2d`)."""
    config = network.config

    def vocoder(latent: Tensor, timbre: Tensor) -> tuple[Tensor]:
        return (network.dec(latent.unsqueeze(2), timbre[:, :, None, None]).flatten(1),)

    inputs = {"latent": torch.zeros(2, config.latent, 17), "timbre": torch.zeros(2, config.timbre)}
    free = {"latent": {0: "B", 2: "F"}, "timbre": {0: "B"}}
    return to_graph(network, vocoder, inputs, ("audio",), free)


def _latent(network: AcousticNetwork) -> onnx.ModelProto:
    config = network.config

    def latent(
        tokens: Tensor, phones: Tensor, timbre: Tensor, select: Tensor, overlap: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        ge = timbre.unsqueeze(2)
        frames = network.prior(tokens, phones, ge).index_select(2, select)
        frames = joined(frames, overlap)
        return network.latent(frames, ge, noise), frames

    inputs = {
        "tokens": torch.zeros(1, 12, dtype=torch.long),
        "phones": torch.zeros(1, 9, dtype=torch.long),
        "timbre": torch.zeros(1, config.timbre),
        "select": torch.arange(4, 24),
        "overlap": torch.zeros(1, config.hidden, 3),
        "noise": torch.zeros(1, config.latent, 17),
    }
    free = {
        "tokens": {1: "T"},
        "phones": {1: "P"},
        "select": {0: "R"},
        "overlap": {2: "K"},
        "noise": {2: "F"},
    }
    return to_graph(network, latent, inputs, ("latent", "frames"), free)


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
    """Inputs of the vocoder's graph for these utterances."""
    rng = torch.Generator().manual_seed(0)
    examples: list[Example] = []
    for tokens, phones, timbre in utterances:
        ge = timbre.unsqueeze(2)
        frames = network.prior(tokens, phones, ge)
        noise = _NOISE_SCALE * torch.randn(1, network.config.latent, frames.shape[2], generator=rng)
        latent = network.latent(frames, ge, noise)
        examples.append({"latent": latent.numpy(), "timbre": timbre.numpy()})
    return examples
