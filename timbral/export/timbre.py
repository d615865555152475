"""The timbre of a recording for v1, v2, v2Pro and v2ProPlus as a graph: who speaks, for a voice.

`timbre.onnx`, `timbre.weights`
    audio    float32 [1, n]         a recording at 32 kHz, n at least 2048
    speaker  float32 [1, S]         what `speaker.onnx` says of it, exactly where the family asks for it
  gives
    timbre   float32 [1, D]

A voice of several recordings has the mean of their timbres. v3 and v4 have this graph too, without `speaker`: see
`timbral.export.mel_acoustic`.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from timbral.export.graph import to_graph
from timbral.export.weights import write_graphs
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.spectrogram import TIMBRE as SPECTRUM
from timbral.nets.spectrogram import LinearSpectrogram

TIMBRE = "timbre.onnx"
WEIGHTS = "timbre.weights"


def export_timbre(network: AcousticNetwork, folder: Path) -> None:
    """Writes the graph and its weights into `folder`."""
    linear = LinearSpectrogram(SPECTRUM)

    def timbre(audio: Tensor, speaker: Tensor | None = None) -> tuple[Tensor]:
        return (network.timbre(linear(audio), speaker).squeeze(2),)

    inputs = {"audio": torch.zeros(1, SPECTRUM.rate)}
    parts: list[nn.Module] = [linear, network.ref_enc]
    if network.config.speaker:
        inputs["speaker"] = torch.zeros(1, network.config.speaker)
        parts += [network.sv_emb, network.prelu]
    graph = to_graph(nn.ModuleList(parts), timbre, inputs, ("timbre",), {"audio": {1: "n"}})
    write_graphs(folder, {TIMBRE: graph}, WEIGHTS)
