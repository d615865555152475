"""The light vocoder as the graph `vocoder`, with the inputs and outputs of the one whose place it takes.

See `timbral.conversion.export.acoustic` for v1 to v2ProPlus (latent and timbre), and
`timbral.conversion.export.mel_acoustic` for v3 and v4 (normalised mel).
"""

import onnx
import torch
from torch import Tensor

from timbral.conversion.export.graph import to_graph
from timbral.nets.istft_vocoder import IstftVocoder
from timbral.nets.spectrogram import denormalized

_FRAMES = 17


def istft_vocoder_graph(network: IstftVocoder) -> onnx.ModelProto:
    """The graph of a vocoder of a latent in a timbre, or of normalised mel where it knows no timbre."""
    config = network.config
    if config.timbre:

        def of_latent(latent: Tensor, timbre: Tensor) -> tuple[Tensor]:
            return (network(latent, timbre[:, :, None]).flatten(1),)

        inputs = {"latent": torch.zeros(2, config.inputs, _FRAMES), "timbre": torch.zeros(2, config.timbre)}
        free = {"latent": {0: "B", 2: "F"}, "timbre": {0: "B"}}
        return to_graph(network, of_latent, inputs, ("audio",), free)

    def of_mel(mel: Tensor) -> tuple[Tensor]:
        return (network(denormalized(mel)).squeeze(1),)

    example = {"mel": torch.zeros(1, config.inputs, _FRAMES)}
    return to_graph(network, of_mel, example, ("audio",), {"mel": {2: "M"}})
