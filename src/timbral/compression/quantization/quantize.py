"""The step `quantize`: measures every weight of a bundle, chooses a format for each, and rounds.

`speech` has the model say a few sentences, `parts` compares what it makes of them, `sensitivity` rounds one weight
after the other, `search` chooses formats, `gptq` rounds, `rewriting` writes the graphs.
"""

import math
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from timbral.compression.quantization.fed_graph import FedGraph, Values
from timbral.compression.quantization.float_graphs import FloatModel, Floats, Weight, read_float_model
from timbral.compression.quantization.formats import FORMATS, PRECISIONS, Format, Rounded, nearest
from timbral.compression.quantization.gptq import gptq
from timbral.compression.quantization.parts import Outputs, Part, parts_of
from timbral.compression.quantization.rewriting import write_model
from timbral.compression.quantization.search import Candidate, smallest, within_bytes, within_loss
from timbral.compression.quantization.sensitivity import measure_sensitivity, square_error
from timbral.compression.quantization.settings import QuantizationSettings
from timbral.compression.quantization.speech import calibration_speech
from timbral.compression.step import OnProgress, scratch
from timbral.conversion.graph_precision import graph_precision
from timbral.conversion.output_folder import new_folder
from timbral.errors import CompressionError, TimbralWarning
from timbral.models import Bundle, Precision, files, read_bundle, write_manifest
from timbral.models.package import compressed_size
from timbral.native.stage_one import MIXED_BLOCK

_PRECISION: Mapping[int, Precision] = {32: "fp32", 16: "fp16", 8: "int8", 4: "int4", 3: "int4"}
_DROPPED = frozenset(files.variant(name, "fp16") for name in (files.SEMANTIC_PREFILL, files.SEMANTIC_STEP))
"""Stage one in float16, which would no longer have the same weights."""
_SKIPPED = frozenset({files.G2PW, *_DROPPED, *(files.FORMER_NAMES[name] for name in _DROPPED)})
"""Graphs that are not quantised: those, and one that has its weights inside."""
_SAMPLE = 1 << 19
"""Elements of a weight by which its formats are compared."""
_MOMENTS = 256 << 20
"""Bytes of second moments that are collected in one run."""
_AUDIBLE = 3.0
"""Loss of a part from which on a listener may notice it."""
_ATTEMPTS = 6
"""Mixtures that are tried for a size or a loss."""
_PACKED_MARGIN = 1.01
"""Of sizes that are measured on the nearest numbers: those of GPTQ have a little more entropy."""
_SPEECH, _SENSITIVITY, _ROUNDED = 0.05, 0.75, 0.97
"""Shares of the work that are done after each stage."""

Mixture = Mapping[str, Format]
"""The format of each weight, by key."""


def quantize(parent: Path, out: Path, settings: QuantizationSettings, on_progress: OnProgress) -> None:
    """Makes the bundle `out` of `parent` with weights of fewer bits.

    Raises CompressionError where the model cannot be as small as it should be.
    """
    bundle = read_bundle(parent)
    on_progress("reading weights", 0.0)
    quantizer = _Quantizer(bundle, read_float_model(bundle, _SKIPPED), settings, on_progress)
    if settings.precision is not None:
        formats = PRECISIONS[settings.precision]
        mixture = {key: formats[weight.kind] for key, weight in quantizer.model.weights.items()}
        rounded = quantizer.round(mixture)
    else:
        rounded = quantizer.search(scratch(out))
        quantizer.warn_of_losses(rounded)
    on_progress("writing graphs", _ROUNDED)
    with new_folder(out) as folder:
        quantizer.write(folder, rounded)


class _Quantizer:
    def __init__(
        self, bundle: Bundle, model: FloatModel, settings: QuantizationSettings, on_progress: OnProgress
    ) -> None:
        self.model = model
        self._bundle, self._settings, self._on_progress = bundle, settings, on_progress
        self._values: Values = {key: weight.value for key, weight in model.weights.items()}
        self._parts: list[Part] | None = None
        self._expected: dict[str, Outputs] = {}

    @property
    def parts(self) -> list[Part]:
        """Parts on calibration speech, with their outputs before anything is rounded."""
        if self._parts is None:
            self._on_progress("making calibration speech", 0.01)
            speech = calibration_speech(self._bundle)
            self._parts = parts_of(self._bundle, self.model, self._values, speech)
            self._expected = {part.name: part.run() for part in self._parts}
        return self._parts

    def search(self, work: Path) -> dict[str, Rounded]:
        """The mixture that meets the size or the loss, rounded."""
        parts = self.parts
        gains = measure_sensitivity(
            parts,
            self._expected,
            self.model.weights,
            self._values,
            work / "sensitivity.json",
            lambda share: self._on_progress("measuring layers", _SPEECH + (_SENSITIVITY - _SPEECH) * share),
        )
        candidates = {
            key: self._candidates(weight, gains.get(key)) for key, weight in self.model.weights.items()
        }
        size = self._settings.size
        if self._settings.share is not None:
            size = int(self._settings.share * self._size_of_parent())
        if size is None:
            return self._meet_loss(candidates)
        return self._meet_size(candidates, size, work)

    def _size_of_parent(self) -> int:
        if not self._settings.packed:
            return self._bundle.size
        return sum(compressed_size(self._bundle.folder / name) for name in self._bundle.manifest.files)

    def _candidates(self, weight: Weight, gain: float | None) -> list[Candidate]:
        """Formats of a weight with their sizes and predicted losses; float16 alone where nothing measured it."""
        formats = [each for each in FORMATS[weight.kind] if self._allowed(weight, each)]
        if gain is None:
            formats = [Format(16)]
        found = []
        sample = _sample(weight)
        share = weight.value.size / sample.value.size
        for each in formats:
            rounded = nearest(sample, each)
            size = rounded.packed_bytes if self._settings.packed else rounded.bytes
            loss = (gain or 0.0) * share * square_error(sample, rounded)
            found.append(Candidate(each, round(share * size), loss))
        return found

    def _allowed(self, weight: Weight, wanted: Format) -> bool:
        names = {name for name, _ in weight.users}
        if wanted.bits == 3 and not self._settings.packed:
            return False
        if not self._settings.encoders and names & {files.CONTENT, files.TIMBRE, files.SPEAKER}:
            return wanted.bits == 16
        return not (wanted.block > MIXED_BLOCK and files.SEMANTIC_PREFILL in names)

    def _meet_size(
        self, candidates: Mapping[str, Sequence[Candidate]], size: int, work: Path
    ) -> dict[str, Rounded]:
        budget = size
        for _ in range(_ATTEMPTS):
            least = smallest(candidates)
            chosen = within_bytes(candidates, budget)
            mixture = {key: each.format for key, each in chosen.items()}
            plain = {key: nearest(self.model.weights[key], each) for key, each in mixture.items()}
            actual = self._measured_size(plain, work)
            if actual <= size:
                return self.round(mixture)
            if budget <= least:
                raise CompressionError(
                    f"{self._bundle.manifest.name}: quantisation makes {actual / 1e6:.1f} MB of it at best, "
                    f"not {size / 1e6:.1f} MB; prune or distil it first, or give a larger size"
                )
            taken = sum(each.bytes for each in chosen.values())
            budget = max(least, min(budget, taken) - (actual - size))
        raise CompressionError(f"no mixture of formats has {size / 1e6:.1f} MB; give another size")

    def _meet_loss(self, candidates: Mapping[str, Sequence[Candidate]]) -> dict[str, Rounded]:
        most = predicted = self._settings.loss
        rounded: dict[str, Rounded] = {}
        for _ in range(_ATTEMPTS):
            chosen = within_loss(candidates, predicted)
            rounded = self.round({key: each.format for key, each in chosen.items()})
            measured = sum(self.losses(rounded).values())
            if measured <= most:
                return rounded
            predicted *= 0.9 * most / measured
        raise CompressionError(
            f"no mixture of formats loses at most {most:g}; the last one tried loses {measured:.3g}"
        )

    def warn_of_losses(self, rounded: Mapping[str, Rounded]) -> None:
        """Says so where a part has lost what a listener may notice."""
        losses = self.losses(rounded)
        worst = max(losses, key=lambda name: losses[name], default=None)
        if worst is not None and losses[worst] > _AUDIBLE:
            warnings.warn(
                f"{worst} loses {losses[worst]:.1f} times what is hardly noticed; compare the model with its parent, "
                "or give a larger size",
                TimbralWarning,
                stacklevel=2,
            )

    def losses(self, rounded: Mapping[str, Rounded]) -> dict[str, float]:
        """Loss of every part with rounded weights."""
        found = {}
        for part in self.parts:
            self._values.update({key: rounded[key].value for key in part.keys})
            found[part.name] = part.loss(self._expected[part.name], part.run())
            self._values.update({key: self.model.weights[key].value for key in part.keys})
        return found

    def round(self, mixture: Mixture) -> dict[str, Rounded]:
        """All weights in their formats."""
        self._on_progress("rounding", _SENSITIVITY)
        weights = self.model.weights
        rounded = {key: nearest(weights[key], wanted) for key, wanted in mixture.items()}
        coarse = {
            key for key, wanted in mixture.items() if weights[key].kind == "product" and wanted.bits <= 4
        }
        if self._settings.rounding == "gptq" and coarse:
            done, count = 0, len(coarse)
            for part in self.parts:
                # What follows in a graph is rounded for the inputs that it will get.
                self._values.update({key: rounded[key].value for key in part.keys - coarse})
                for graph, keys in _groups(part, coarse, weights):
                    for key, moments in _moments(part, graph, keys, weights):
                        rounded[key] = gptq(weights[key], mixture[key], moments)
                        self._values[key] = rounded[key].value
                        done += 1
                    share = done / count
                    self._on_progress("rounding", _SENSITIVITY + (_ROUNDED - _SENSITIVITY) * share)
                self._values.update({key: weights[key].value for key in part.keys})
                coarse -= part.keys
        return rounded

    def _measured_size(self, rounded: Mapping[str, Rounded], work: Path) -> int:
        """Bytes of the whole model."""
        work.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=work) as temporary:
            folder = Path(temporary)
            bundle = self.write(folder, rounded)
            if not self._settings.packed:
                return bundle.size
            return int(_PACKED_MARGIN * sum(compressed_size(folder / name) for name in bundle.manifest.files))

    def write(self, folder: Path, rounded: Mapping[str, Rounded]) -> Bundle:
        """Writes the bundle with these weights into an empty folder."""
        write_model(folder, self.model, rounded)
        for name in self._bundle.manifest.files:
            if not (folder / name).exists() and name not in _SKIPPED - {files.G2PW}:
                shutil.copyfile(self._bundle.folder / name, folder / name)
        return write_manifest(folder, self._description(folder, rounded))

    def _description(self, folder: Path, rounded: Mapping[str, Rounded]) -> dict[str, Any]:
        manifest = self._bundle.manifest
        counts: dict[Precision, int] = {}
        for each in rounded.values():
            precision = _PRECISION[each.format.bits]
            counts[precision] = counts.get(precision, 0) + math.prod(each.shape)
        return {
            **manifest.model_dump(exclude={"format", "files"}),
            "precision": max(counts, key=lambda one: counts[one]) if counts else manifest.precision,
            "precisions": {path.name: graph_precision(path) for path in sorted(folder.glob("*.onnx"))},
            # Voices that were fine-tuned on the parent fit: the weights are the same ones in fewer bits.
            "weights": manifest.base,
            "quantization": None,
        }


def _sample(weight: Weight) -> Weight:
    """Some rows of a large weight, evenly spread: their errors and sizes stand for all."""
    every = max(1, weight.value.size // _SAMPLE)
    rows = weight.value[::every]
    return replace(weight, value=np.ascontiguousarray(rows)) if every > 1 and len(rows) > 1 else weight


def _groups(
    part: Part, coarse: set[str], weights: Mapping[str, Weight]
) -> Iterator[tuple[FedGraph, list[str]]]:
    """Products of a part to round together, in the order of their graphs."""
    for graph in part.graphs.values():
        group: list[str] = []
        size = 0
        for key in graph.inputs:
            if key not in coarse:
                continue
            group.append(key)
            size += 4 * weights[key].value.shape[1] ** 2
            if size > _MOMENTS:
                yield graph, group
                group, size = [], 0
        if group:
            yield graph, group


def _moments(
    part: Part, graph: FedGraph, keys: Sequence[str], weights: Mapping[str, Weight]
) -> Iterator[tuple[str, Floats]]:
    """Second moments of the inputs of products."""
    sizes = {graph.inputs[key]: weights[key].value.shape[1] for key in keys}
    with graph.collecting(sizes) as moments:
        part.run()
        for key in keys:
            yield key, moments[graph.inputs[key]]
