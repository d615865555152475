"""HiFi-GAN with 8-bit residual blocks, compiled: `timbral.nets.hifigan.Generator` from the graph of a vocoder."""

import ctypes
import math
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.models.weights import Adapter
from timbral.models.weights.graph_file import Constant, read_graph_file
from timbral.models.weights.parameters import Parameter, read_parameters
from timbral.native.binding import Convolution, Generator, Vocoding, WideConvolution, library
from timbral.native.packing import TILE, filled_up
from timbral.native.structures import Arrays

Floats = NDArray[np.float32]

WIDEST = 1024
"""Channels, at most; `kWidest` of vocoder.h."""
MOST_TAPS = 16
"""Of a 16-bit convolution; `kMostTaps` of model.h."""
MOST_WIDE = 2047
"""The largest 16-bit input; `kMostWide` of vocoder.h."""
MOST_SAMPLES = 1 << 23
"""Of one call, minutes of sound, so that no count of the compiled code overflows."""
_MOST_HOP, _MOST_REACH = 8192, 4096
"""Samples of a frame, and positions that a convolution of a residual block spans."""
_FIRST, _LAST, _TIMBRE = "dec.conv_pre", "dec.conv_post", "dec.cond"


@dataclass(frozen=True)
class VocoderWeights:
    """Weights of a HiFi-GAN by the names of the network, and how its convolutions step.

    changed: constants of the graph in place of its own, of a fine-tuned voice. steps: stride and dilation by the name of
    weights. stored: constants of the graph, as they are.
    """

    parameters: Mapping[str, Parameter]
    changed: Mapping[str, NDArray[Any]]
    steps: Mapping[str, tuple[int, int]]
    stored: Mapping[str, Constant]

    @staticmethod
    def of(graph: Path, adapter: Adapter | None = None) -> "VocoderWeights | None":
        """None where the graph is no HiFi-GAN of `timbral.conversion.export.acoustic` with 8-bit convolutions.

        Raises VoiceError: the changes do not fit.
        """
        parameters = read_parameters(graph)
        if not any(parameter.form == "_quantized" for parameter in parameters.values()):
            return None
        file = read_graph_file(graph)
        steps = {
            name: file.steps[each.constant]
            for name, each in parameters.items()
            if each.constant in file.steps
        }
        changed = adapter.constants(graph) if adapter else {}
        found = VocoderWeights(parameters, changed, steps, file.constants)
        return found if found._readable() else None

    def weight(self, name: str) -> Floats:
        """Weight [.., .., taps] of a convolution."""
        value = self.parameters[f"{name}.weight"].read(self.changed)
        return value.reshape(*value.shape[:2], -1)

    def bias(self, name: str, channels: int) -> Floats:
        """Bias [channels], zeros where there is none."""
        if parameter := self.parameters.get(f"{name}.bias"):
            return parameter.read(self.changed)
        if numbers := self.stored.get(f"{name}.bias_quantized"):
            scales: Floats = self.stored[f"{name}.bias_quantized_scale"].read()
            return numbers.read().astype(np.float32) * scales
        return np.zeros(channels, np.float32)

    def step(self, name: str) -> tuple[int, int]:
        """Stride and dilation of a convolution."""
        return self.steps[f"{name}.weight"]

    def count(self, prefix: str, suffix: str = ".weight") -> int:
        """How many there are of `prefix`.0, .1, ..."""
        count = 0
        while f"{prefix}.{count}{suffix}" in self.parameters:
            count += 1
        return count

    @property
    def stages(self) -> int:
        return self.count("dec.ups")

    @property
    def blocks(self) -> int:
        """Residual blocks of a stage."""
        return self.count("dec.resblocks", ".convs1.0.weight") // max(1, self.stages)

    @property
    def pairs(self) -> int:
        """Pairs of convolutions of a block."""
        return self.count("dec.resblocks.0.convs1")

    def _readable(self) -> bool:
        """Whether all weights are there, in shapes that go together."""
        names = [_FIRST, _LAST, *(f"dec.ups.{stage}" for stage in range(self.stages))]
        names += [name for pair in self.pair_names() for name in pair]
        if not self.stages or any(f"{name}.weight" not in self.steps for name in names):
            return False
        if not self._bounded(names):
            return False
        channels, *_ = self.parameters[f"{_FIRST}.weight"].shape
        for stage in range(self.stages):
            inputs, outputs, *_, taps = self.parameters[f"dec.ups.{stage}.weight"].shape
            stride, _ = self.step(f"dec.ups.{stage}")
            if inputs != channels or taps < stride or (taps - stride) % 2 or -(-taps // stride) > MOST_TAPS:
                return False
            channels = outputs
            per_stage = self.blocks * self.pairs
            for pair in self.pair_names()[stage * per_stage : (stage + 1) * per_stage]:
                shapes = [self.parameters[f"{name}.weight"].shape for name in pair]
                if any(shape[:2] != (channels, channels) or shape[-1] % 2 == 0 for shape in shapes):
                    return False
        last, first = (self.parameters[f"{name}.weight"].shape for name in (_LAST, _FIRST))
        return last[:2] == (1, channels) and 0 < first[0] <= WIDEST and first[-1] <= MOST_TAPS

    def _bounded(self, names: list[str]) -> bool:
        """Whether no count overflows, whatever a graph says."""
        strides = [self.step(name)[0] for name in names]
        spans = [self.step(name)[1] * self.parameters[f"{name}.weight"].shape[-1] for name in names]
        return (
            min(strides) > 0
            and math.prod(strides) <= _MOST_HOP
            and 0 < min(spans) <= max(spans) <= _MOST_REACH
        )

    def pair_names(self) -> list[tuple[str, str]]:
        """Names of the pairs of convolutions, in the order in which they run."""
        return [
            (f"dec.resblocks.{block}.convs1.{pair}", f"dec.resblocks.{block}.convs2.{pair}")
            for block in range(self.stages * self.blocks)
            for pair in range(self.pairs)
        ]


class VocoderKernel:
    """A compiled HiFi-GAN: latent [1, C, F] and timbre [1, D] to audio [1, F * hop].

    Inputs and weights of the residual blocks have 8 bits, whichever of them the graph has in 8 bits; all else is float32. May be
    called by several threads, which take turns.

    threads: with the caller's. spin_us: how long an idle one keeps its core busy. variant: of `vocoder_variants`.
    engine: what it is called.
    """

    def __init__(self, weights: VocoderWeights, *, threads: int, spin_us: int, variant: str) -> None:
        self._arrays = Arrays()
        self._lock = threading.Lock()
        self._buffers = np.zeros((4, 0), np.float32)
        stages, pairs = weights.stages, weights.pair_names()
        first = weights.weight(_FIRST)
        self._first_bias = weights.bias(_FIRST, len(first))
        self._timbre: tuple[Floats, Floats] | None = None
        if f"{_TIMBRE}.weight" in weights.parameters:
            self._timbre = weights.weight(_TIMBRE)[:, :, 0], weights.bias(_TIMBRE, len(first))
        upsampling = [self._first(first), *(self._upsampling(weights, f"dec.ups.{i}") for i in range(stages))]
        convolutions = [self._convolution(weights, name) for pair in pairs for name in pair]
        last = weights.weight(_LAST)[0]
        last_weights = np.zeros((last.shape[1], _whole(len(last))), np.float32)
        last_weights[:, : len(last)] = last.T
        self._generator = Generator(
            stages,
            weights.blocks,
            weights.pairs,
            last_weights.shape[1],
            last_weights.shape[0],
            float(weights.bias(_LAST, 1)[0]),
            (WideConvolution * len(upsampling))(*upsampling),
            (Convolution * len(convolutions))(*convolutions),
            self._arrays.address(last_weights),
        )
        rates = np.cumprod([layer.rate for layer in upsampling])
        self._hop = int(rates[-1])
        # Values of a frame in the largest of all buffers.
        self._largest = max(int(rate) * layer.outputs for rate, layer in zip(rates, upsampling, strict=True))
        functions = library()
        assert functions is not None
        self.engine = f"native {variant}"
        self._run = functions.timbral_vocode
        self._opened = functions.timbral_open_vocoder(
            ctypes.byref(self._generator), variant.encode(), threads, spin_us
        )
        if not self._opened:
            raise MemoryError("no memory for the vocoder")
        closing = weakref.finalize(self, _close, functions, self._opened, os.getpid())
        closing.atexit = False  # at the end of the program, somebody may be in the middle of it

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The audio of the graph's inputs, the frames first and then the timbre, if it takes one."""
        (latent, *timbre) = inputs.values()
        if (
            latent.ndim != 3
            or latent.shape[:2] != (1, self._inputs)
            or len(timbre) != (self._timbre is not None)
        ):
            raise ValueError(f"a vocoder of {self._inputs} channels was given {latent.shape}")
        if not 0 < latent.shape[2] * self._hop <= MOST_SAMPLES:
            raise ValueError(f"{latent.shape[2]} frames are none, or more than {MOST_SAMPLES} samples")
        frames = latent.shape[2]
        own = np.zeros((frames, _whole(self._inputs)), np.float32)
        own[:, : self._inputs] = latent[0].T
        bias = self._first_bias
        if self._timbre is not None:
            weight, added = self._timbre
            bias = bias + weight @ timbre[0][0] + added
        bias = filled_up(bias)
        audio = np.empty(frames * self._hop, np.float32)
        with self._lock:
            if self._buffers.shape[1] < frames * self._largest:
                self._buffers = np.empty((4, frames * self._largest), np.float32)
            addresses = (ctypes.c_void_p * 4)(*(buffer.ctypes.data for buffer in self._buffers))
            self._run(
                self._opened,
                ctypes.byref(
                    Vocoding(frames, own.ctypes.data, bias.ctypes.data, audio.ctypes.data, addresses)
                ),
            )
        return [np.tanh(audio, out=audio)[None]]

    def _first(self, weight: Floats) -> WideConvolution:
        """The first convolution, weight [outputs, inputs, taps]. Its bias depends on the timbre."""
        taps = weight.shape[2]
        self._inputs = weight.shape[1]
        phases = np.zeros((1, taps, _whole(self._inputs), len(weight)), np.float32)
        phases[0, :, : self._inputs] = weight[:, :, ::-1].transpose(2, 1, 0)
        return self._wide(phases, None, np.array([(taps - 1) // 2]))

    def _upsampling(self, weights: VocoderWeights, name: str) -> WideConvolution:
        weight, (rate, _) = weights.weight(name), weights.step(name)
        inputs, outputs, kernel = weight.shape
        taps, padding = -(-kernel // rate), (kernel - rate) // 2
        phases = np.zeros((rate, taps, _whole(inputs), outputs), np.float32)
        first = (np.arange(rate) + padding) % rate
        for phase in range(rate):
            own = weight[:, :, first[phase] :: rate]
            phases[phase, : own.shape[2], :inputs] = own.transpose(2, 0, 1)
        return self._wide(phases, weights.bias(name, outputs), (np.arange(rate) + padding) // rate)

    def _wide(self, phases: Floats, bias: Floats | None, shifts: NDArray[Any]) -> WideConvolution:
        """phases: weights [rate, taps, inputs, outputs]."""
        rate, taps, inputs, outputs = phases.shape
        most = min(MOST_WIDE, (2**31 - 1) // (MOST_WIDE * taps * inputs))
        scales = np.zeros(_whole(outputs), np.float32)
        scales[:outputs] = np.abs(phases).max(axis=(0, 1, 2)) / most
        per = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
        numbers = np.zeros((rate, taps, inputs, len(scales)), np.int16)
        numbers[..., :outputs] = np.rint(phases * per[:outputs])
        tiled = numbers.reshape(rate, taps, inputs // 2, 2, -1, TILE).transpose(0, 4, 1, 2, 5, 3)
        return WideConvolution(
            inputs,
            len(scales),
            taps,
            rate,
            self._arrays.address(tiled),
            self._arrays.address(scales),
            None if bias is None else self._arrays.address(filled_up(bias)),
            self._arrays.address(shifts.astype(np.int32)),
        )

    def _convolution(self, weights: VocoderWeights, name: str) -> Convolution:
        weight, (_, step) = weights.weight(name), weights.step(name)
        channels, _, taps = weight.shape
        scales = np.abs(weight).max(axis=(1, 2)) / 127
        per = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
        numbers = np.zeros((_whole(channels), taps, _whole(channels)), np.int8)
        numbers[:channels, :, :channels] = np.rint(weight * per[:, None, None]).transpose(0, 2, 1)
        tiled = numbers.reshape(-1, TILE, taps, numbers.shape[2] // 4, 4).transpose(0, 2, 3, 1, 4)
        return Convolution(
            numbers.shape[2],
            len(numbers),
            taps,
            step,
            self._arrays.address(tiled),
            self._arrays.address(filled_up(scales)),
            self._arrays.address(filled_up(weights.bias(name, channels))),
            self._arrays.address(numbers.sum((1, 2), dtype=np.int32)),
        )


def _whole(channels: int) -> int:
    """Channels up to a whole tile."""
    return -(-channels // TILE) * TILE


def _close(functions: ctypes.CDLL, opened: int, process: int) -> None:
    """In a forked process there are no threads that could be waited for."""
    if os.getpid() == process:
        functions.timbral_close_vocoder(opened)
