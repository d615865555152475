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
    latent   float32 [1, C, F]
    timbre   float32 [1, D]
  gives
    audio    float32 [1, F * 640]   samples at 32 kHz
"""

import copy
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from timbral.export.graph import to_graph
from timbral.export.precision import Precision, hearing
from timbral.export.weights import write_graphs
from timbral.nets.acoustic import AcousticNetwork, joined
from timbral.nets.normalization import fold_weight_norm
from timbral.nets.spectrogram import TIMBRE as SPECTRUM
from timbral.nets.spectrogram import LinearSpectrogram

TIMBRE = "timbre.onnx"
LATENT = "latent.onnx"
VOCODER = "vocoder.onnx"
WEIGHTS = "acoustic.weights"


def export_acoustic(network: AcousticNetwork, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the three graphs of `network` and their weights, with weight norm folded, into `folder`."""
    network = copy.deepcopy(network)
    fold_weight_norm(network)
    config = network.config

    def latent(
        tokens: Tensor, phones: Tensor, timbre: Tensor, select: Tensor, overlap: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        ge = timbre.unsqueeze(2)
        frames = network.prior(tokens, phones, ge).index_select(2, select)
        frames = joined(frames, overlap)
        return network.latent(frames, ge, noise), frames

    def vocoder(latent: Tensor, timbre: Tensor) -> tuple[Tensor]:
        return (network.vocode(latent, timbre.unsqueeze(2)),)

    timbre = torch.zeros(1, config.timbre)
    write_graphs(
        folder,
        {
            TIMBRE: _timbre(network),
            LATENT: to_graph(
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
            VOCODER: to_graph(
                network,
                vocoder,
                {"latent": torch.zeros(1, config.latent, 17), "timbre": timbre},
                ("audio",),
                {"latent": {2: "F"}},
            ),
        },
        WEIGHTS,
        precision,
        {TIMBRE: hearing(precision)},
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
