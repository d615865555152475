"""Timbral's side of the comparison with the official code: graphs of the official sizes, and no torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from timbral.config import SamplingConfig
from timbral.inference.acoustic.interface import engine_of
from timbral.inference.acoustic.networks import open_vocoder
from timbral.inference.acoustic.vocoder_windows import vocode_in_rows
from timbral.inference.semantic.backend import Backend, open_backend
from timbral.inference.semantic.sequence import TokenSequence
from timbral.inference.sessions import Engine, Graph, SessionOptions

HOP, NOISE_SCALE = 640, 0.5
CAPACITY = 1024


@dataclass(frozen=True)
class Case:
    """A request with all that is known of its voice.

    phones: int64 [P], the prompt's first. features: float32 [P, 1024]. prompt: int64 [T]. said: phones of the text alone.
    timbre: float32 [1, D]. reach: frames on each side that the vocoder sees.
    """

    phones: NDArray[np.int64]
    features: NDArray[np.float32]
    prompt: NDArray[np.int64]
    said: NDArray[np.int64]
    timbre: NDArray[np.float32]
    reach: int


def generation(runner: Backend, case: Case, rows: int = 1) -> Iterator[int]:
    """Decodes rows that no end token stops; gives the token of the first row, as often as it is asked."""
    sequences = [
        TokenSequence(case.phones, case.prompt, SamplingConfig(), row, features=case.features)
        for row in range(rows)
    ]
    for row, sequence in enumerate(sequences):
        logits = runner.prefill(row, case.phones, case.features, case.prompt).copy()
        _accept(sequence, logits)
    while True:
        yield sequences[0].tokens[-1]
        last = np.array([sequence.tokens[-1] for sequence in sequences])
        logits = runner.step(np.arange(rows), last)
        for sequence, row_logits in zip(sequences, logits, strict=True):
            _accept(sequence, row_logits)


def _accept(sequence: TokenSequence, logits: NDArray[np.float32]) -> None:
    logits[-1] = -np.inf
    sequence.accept(logits)


class Speaker:
    """Both stages, opened from a folder of each."""

    def __init__(
        self,
        semantic: Path,
        acoustic: Path,
        threads: int,
        rows: int = 1,
        *,
        engine: Engine = "auto",
        exact: bool = False,
    ) -> None:
        """engine: of stage two. exact: float32 by OpenVINO, not bfloat16."""
        options = SessionOptions(device="cpu", threads=threads, engine=engine)
        self.runner = open_backend(
            semantic / "semantic_prefill.onnx",
            semantic / "semantic_step.onnx",
            options,
            slots=rows,
            capacity=CAPACITY,
        )
        self._latent = Graph(
            acoustic / "latent.onnx",
            ("tokens", "phones", "timbre", "select", "overlap", "noise"),
            ("latent",),
            options,
        )
        self._vocoder = open_vocoder(
            acoustic / "vocoder.onnx", ("latent", "timbre"), options, exact=exact, apart=True
        )
        self.windows = threads if engine_of(self._vocoder) == "onnxruntime" else 1

    def speak(self, tokens: NDArray[np.int64], case: Case) -> NDArray[np.float32]:
        """Samples [1, n] of tokens [T]; onnxruntime works on as many windows at once as there are threads."""
        frames = 2 * len(tokens)
        noise = np.random.default_rng(0).standard_normal((1, 192, frames), np.float32)
        (latent,) = self._latent(
            {
                "tokens": tokens[None],
                "phones": case.said[None],
                "timbre": case.timbre,
                "select": np.arange(frames),
                "overlap": np.zeros((1, 192, 0), np.float32),
                "noise": NOISE_SCALE * noise,
            }
        )
        return vocode_in_rows(self._vocoder, latent, case.timbre, self.windows, case.reach, HOP)

    def say(self, case: Case, count: int, read: Callable[[int], NDArray[np.float32]]) -> NDArray[np.float32]:
        """A whole request in a known voice: the text's features, tokens, sound."""
        read(len(case.phones) // 4)
        generated = generation(self.runner, case)
        tokens = np.array([next(generated) for _ in range(count)])
        return self.speak(tokens, case)


class Reader:
    """BERT, as a graph."""

    def __init__(self, path: Path, threads: int) -> None:
        self._graph = Graph(
            path, ("tokens", "lengths"), ("features",), SessionOptions(device="cpu", threads=threads)
        )

    def __call__(self, characters: int) -> NDArray[np.float32]:
        """Features [characters, 1024] of a text."""
        tokens = np.full((1, characters + 2), 7)
        (features,) = self._graph({"tokens": tokens, "lengths": np.array([characters + 2])})
        row: NDArray[np.float32] = features[0]
        return row
