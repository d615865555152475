"""Stage two of v3 and v4 as ONNX graphs: `mel`, `timbre`, `features`, `condition`, `flow`, and `vocoder`.

Files: the graphs under these names with `.onnx`, and two files that must lie beside them: `acoustic.weights`
and, as the vocoder is a checkpoint of its own, `vocoder.weights`. A reference takes one run of `mel`,
`timbre` and `features`, a sentence one run of `features` and of `vocoder`, a chunk of it one run of
`condition`, and one run of `flow` for each step. C is the number of mel bands (100), D the width of the
transformer. Mel is normalised: -12 to 2 of the logarithm are -1 to 1. `mel` and `timbre` run once per
reference, with float weights in every precision.

`mel`
    audio      float32 [1, n]        a reference: at 24 kHz for v3, 32 kHz for v4
  gives
    mel        float32 [1, C, n // hop]  hop: 256 samples in v3, 320 in v4

`timbre`
    audio      float32 [1, n]        a reference at 32 kHz
  gives
    timbre     float32 [1, G]

`features`
    tokens     int64   [1, T]        semantic tokens, 25 a second
    phones     int64   [1, P]
    timbre     float32 [1, G]        of a reference
    places     float32 [M]           where in the 2 T frames of the prior each frame of mel is read (`mel_places`)
    length     int64   [1]           after how many frames of mel the features are 0; M at normal speed
  gives
    features   float32 [1, E, M]

`condition`                          what does not change while a chunk is solved
    prompt     float32 [1, C, N]     mel where it is known, 0 elsewhere
    features   float32 [1, E, N]     of the prompt and of what follows it
  gives
    condition  float32 [1, N, D]
    rotation   float32 [2, N, H]

`flow`
    mel        float32 [1, C, N]     noise on its way to mel, 0 in the prompt
    condition  float32 [1, N, D]
    rotation   float32 [2, N, H]
    time       float32 [1]           0 for noise, 1 for mel
    step       float32 [1]           length of the step that will be taken
  gives
    velocity   float32 [1, C, N]     the Euler step is mel + step * velocity

`vocoder`
    mel        float32 [1, C, M]
  gives
    audio      float32 [1, M * hop]  hop: 256 samples (24 kHz) in v3, 480 (48 kHz) in v4
"""

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from timbral.conversion.export.graph import to_graph
from timbral.conversion.export.precision import Precision, encoder_precision
from timbral.conversion.export.weights import write_graphs
from timbral.models import files
from timbral.nets.bigvgan import BigVgan
from timbral.nets.hifigan import Generator
from timbral.nets.mel_acoustic import MelAcousticNetwork
from timbral.nets.mel_vocoders import MEL_BANDS
from timbral.nets.normalization import folded_copy
from timbral.nets.spectrogram import TIMBRE as SPECTRUM
from timbral.nets.spectrogram import (
    LinearSpectrogram,
    MelSpectrogram,
    SpectrogramConfig,
    denormalized,
    normalized,
)

WEIGHTS = "acoustic.weights"
VOCODER_WEIGHTS = "vocoder.weights"

FRAMES = 40
"""Of the examples that are traced."""


def export_mel_acoustic(
    network: MelAcousticNetwork,
    spectrogram: SpectrogramConfig,
    folder: Path,
    precision: Precision = "fp32",
) -> None:
    """Writes all graphs but the vocoder, and their weights with weight norm folded, into `folder`.

    spectrogram: of the mel that the network was trained on (`V3` or `V4` of `timbral.nets.spectrogram`).
    """
    network = folded_copy(network)
    write_graphs(
        folder,
        {
            files.MEL: _mel(spectrogram),
            files.TIMBRE: _timbre(network),
            files.FEATURES: _features(network),
            files.CONDITION: _condition(network),
            files.FLOW: _flow(network),
        },
        WEIGHTS,
        precision,
        {files.MEL: "fp32", files.TIMBRE: encoder_precision(precision)},
    )


def export_mel_vocoder(vocoder: BigVgan | Generator, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the graph of a vocoder and its weights, with weight norm folded, into `folder`."""
    vocoder = folded_copy(vocoder)

    def samples(mel: Tensor) -> tuple[Tensor]:
        return (vocoder(denormalized(mel)).squeeze(1),)

    example = torch.zeros(1, MEL_BANDS, FRAMES)
    graph = to_graph(vocoder, samples, {"mel": example}, ("audio",), {"mel": {2: "M"}})
    write_graphs(folder, {files.VOCODER: graph}, VOCODER_WEIGHTS, precision)


def _mel(config: SpectrogramConfig) -> onnx.ModelProto:
    network = MelSpectrogram(config)

    def mel(audio: Tensor) -> tuple[Tensor]:
        return (normalized(network(audio)),)

    return to_graph(network, mel, _audio(config), ("mel",), {"audio": {1: "n"}})


def _timbre(network: MelAcousticNetwork) -> onnx.ModelProto:
    linear = LinearSpectrogram(SPECTRUM)

    def timbre(audio: Tensor) -> tuple[Tensor]:
        return (network.timbre(linear(audio)).squeeze(2),)

    both = nn.ModuleList([linear, network.ref_enc])
    return to_graph(both, timbre, _audio(SPECTRUM), ("timbre",), {"audio": {1: "n"}})


def _audio(config: SpectrogramConfig) -> dict[str, Tensor]:
    return {"audio": torch.zeros(1, config.rate)}


def _features(network: MelAcousticNetwork) -> onnx.ModelProto:
    def features(
        tokens: Tensor, phones: Tensor, timbre: Tensor, places: Tensor, length: Tensor
    ) -> tuple[Tensor]:
        ge = timbre.unsqueeze(2)
        return (network.features(network.prior(tokens, phones, ge), ge, places, length),)

    inputs = {
        "tokens": torch.zeros(1, 12, dtype=torch.long),
        "phones": torch.zeros(1, 9, dtype=torch.long),
        "timbre": torch.zeros(1, network.config.timbre),
        "places": torch.linspace(0, 23, FRAMES),
        "length": torch.tensor([FRAMES]),
    }
    free = {"tokens": {1: "T"}, "phones": {1: "P"}, "places": {0: "M"}}
    return to_graph(network, features, inputs, ("features",), free)


def _condition(network: MelAcousticNetwork) -> onnx.ModelProto:
    estimator, sizes = network.cfm.estimator, network.config.transformer

    def condition(prompt: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        return estimator.condition(prompt, features), estimator.rotation(prompt.shape[2])

    inputs = {
        "prompt": torch.zeros(1, sizes.mel, FRAMES),
        "features": torch.zeros(1, sizes.features, FRAMES),
    }
    free = {name: {2: "N"} for name in inputs}
    return to_graph(estimator, condition, inputs, ("condition", "rotation"), free)


def _flow(network: MelAcousticNetwork) -> onnx.ModelProto:
    estimator, sizes = network.cfm.estimator, network.config.transformer

    def velocity(
        mel: Tensor, condition: Tensor, rotation: Tensor, time: Tensor, step: Tensor
    ) -> tuple[Tensor]:
        return (estimator.velocity(mel, condition, rotation, time, step),)

    inputs = {
        "mel": torch.zeros(1, sizes.mel, FRAMES),
        "condition": torch.zeros(1, FRAMES, sizes.width),
        "rotation": torch.zeros(2, FRAMES, sizes.head_size),
        "time": torch.zeros(1),
        "step": torch.ones(1),
    }
    free = {"mel": {2: "N"}, "condition": {1: "N"}, "rotation": {1: "N"}}
    return to_graph(estimator, velocity, inputs, ("velocity",), free)
