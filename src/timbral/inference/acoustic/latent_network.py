"""The latent network of the embedded family: compiled, or as a graph."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from timbral.errors import SettingError
from timbral.inference.acoustic.interface import Network, Samples, engine_of
from timbral.inference.acoustic.networks import kernel_variant, open_network
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, SourceFilter, files
from timbral.native.binding import usable_variants
from timbral.native.latent import LatentKernel, latent_weights

Ids = NDArray[np.int64]


class LatentNetwork(Protocol):
    """Tokens, phones and timbre to the frames of a window. Safe for threads."""

    def __call__(
        self, tokens: Ids, phones: Ids | None, timbre: Samples, frames: slice
    ) -> tuple[Samples, Samples]:
        """Latent [1, C, n] and F0 [1, n] in Hz.

        tokens: [T]. phones: [T, 2], of both halves of each token; None for unknown ones. timbre: [1, D]. frames: the n that are
        asked for, of those of the tokens.
        """


class LatentGraph:
    """The network as a graph, which computes all frames of the tokens."""

    def __init__(self, graph: Network, unknown: int | None) -> None:
        """graph: tokens int64 [1, T], timbre float32 [1, D], and unless `unknown` is None phones int64 [1, T, 2] → latent float32
        [1, C, F], f0 [1, F] in Hz. unknown: the number of an unknown phone.
        """
        self._graph, self._unknown = graph, unknown
        self.engine = engine_of(graph)

    def __call__(
        self, tokens: Ids, phones: Ids | None, timbre: Samples, frames: slice
    ) -> tuple[Samples, Samples]:
        """See LatentNetwork."""
        inputs: dict[str, NDArray[Any]] = {"tokens": tokens[None], "timbre": timbre}
        if self._unknown is not None:
            unknown = np.full((len(tokens), 2), self._unknown, np.int64)
            inputs["phones"] = (unknown if phones is None else phones)[None]
        latent, f0 = self._graph(inputs)
        return latent[..., frames], f0[:, frames]


def open_latent(bundle: Bundle, shape: SourceFilter, options: SessionOptions) -> LatentNetwork:
    """The network of a bundle, compiled where there is a kernel for its weights and the processor.

    Raises SettingError: a kernel is asked for, and there is none.
    """
    path = bundle.path(files.LATENT)
    kernel = open_latent_kernel(path, shape, options)
    if kernel is not None:
        return kernel
    if options.engine == "native":
        raise SettingError(
            f"no kernel runs {path}: it takes weights of 8 or 4 bits, a processor with AVX2 or ARM's dot products, and no CUDA;"
            " leave the engine out"
        )
    phones = ("phones",) if shape.phones else ()
    # In float32, since F0 decides the phase; OpenVINO shows no gain here.
    graph = open_network(
        path, ("tokens", "timbre", *phones), ("latent", "f0"), options, exact=True, gains=False
    )
    return LatentGraph(graph, bundle.manifest.semantic.phonemes if shape.phones else None)


def open_latent_kernel(
    path: Path, shape: SourceFilter, options: SessionOptions, variant: str | None = None
) -> LatentKernel | None:
    """The compiled network; None where there is none, or another engine is asked for. variant: by default the fastest."""
    fastest = kernel_variant(options, usable_variants())
    if fastest is None:
        return None
    weights = latent_weights(path, shape, options.adapter)
    return None if weights is None else LatentKernel(weights, shape, variant or fastest)
