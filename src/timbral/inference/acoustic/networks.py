"""Opens the networks of stage two by the engine that runs them fastest, or by the one that was asked for.

native: compiled kernels, for HiFi-GAN with 8-bit convolutions, on processors with products of 8-bit numbers; `latent_network` and
`source_filter_vocoder` open those of the embedded family.
openvino: OpenVINO, where it is installed; graphs of bundles of less than float32 in bfloat16 where the processor has it.
onnxruntime: everywhere, and on CUDA.

The measurements behind the choice are in `docs/adr/050-engines-of-stage-two.md`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from timbral.errors import BundleError, InstallationError, SettingError, TimbralWarning
from timbral.inference import openvino_graph
from timbral.inference.acoustic.interface import Network
from timbral.inference.acoustic.vocoder_windows import RowByRow
from timbral.inference.openvino_graph import OpenVinoGraph
from timbral.inference.sessions import Graph, SessionOptions, on_cuda, usable_cores
from timbral.models.weights import read_parameters
from timbral.native.binding import vocoder_variants
from timbral.native.vocoder import VocoderKernel, VocoderWeights


def open_network(
    path: Path,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    options: SessionOptions,
    *,
    exact: bool,
    gains: bool = True,
) -> Network:
    """A graph by OpenVINO or onnxruntime.

    exact: in float32, because the bundle is. gains: whether OpenVINO is worth having by itself, and not only where it is asked
    for.
    """
    if not _by_openvino(options, gains):
        return Graph(path, inputs, outputs, options)
    try:
        return OpenVinoGraph(path, inputs, outputs, options, exact=exact)
    except (BundleError, InstallationError) as error:
        if not path.is_file() or (isinstance(error, InstallationError) and options.engine == "openvino"):
            raise
        network = Graph(path, inputs, outputs, options)
        warnings.warn(
            f"onnxruntime runs {path.name} in place of OpenVINO: {error}", TimbralWarning, stacklevel=2
        )
        return network


def open_vocoder(
    path: Path, inputs: tuple[str, ...], options: SessionOptions, *, exact: bool, apart: bool = False
) -> Network:
    """The vocoder at `path`, whose first input is a latent or mel [B, C, F], and the second, if any, a timbre [B, D].

    apart: on several cores onnxruntime has a second session of one thread, for rows of a batch.
    """
    kernel = open_vocoder_kernel(path, options)
    if kernel is not None:
        return kernel
    if options.engine == "native":
        raise SettingError(
            f"no kernel runs {path}: it takes 8-bit convolutions and a processor with AVX-512 VNNI or ARM's dot"
            " products; leave the engine out"
        )
    if _by_openvino(options, not _has_8_bits(path)):
        return open_network(path, inputs, ("audio",), options, exact=exact)
    threads = options.threads or usable_cores()
    together = Graph(path, inputs, ("audio",), options)
    if not apart or threads == 1 or on_cuda(options):
        return together
    return RowByRow(together, Graph(path, inputs, ("audio",), replace(options, threads=1)), threads)


def open_vocoder_kernel(
    path: Path, options: SessionOptions, variant: str | None = None
) -> VocoderKernel | None:
    """The compiled HiFi-GAN; None where there is none for the graph or the processor, or another engine is asked for.

    variant: by default the fastest.
    """
    fastest = kernel_variant(options, vocoder_variants())
    weights = None if fastest is None else VocoderWeights.of(path, options.adapter)
    if fastest is None or weights is None:
        return None
    threads = options.threads or usable_cores()
    return VocoderKernel(weights, threads=threads, spin_us=options.spin_us, variant=variant or fastest)


def kernel_variant(options: SessionOptions, variants: Sequence[str]) -> str | None:
    """The fastest of the variants of a kernel; None where there is none, or another engine is asked for."""
    wanted = options.engine in ("auto", "native") and not on_cuda(options)
    return variants[0] if wanted and variants else None


def _by_openvino(options: SessionOptions, gains: bool) -> bool:
    if options.engine == "openvino":
        if options.device == "cuda":
            raise SettingError("OpenVINO runs on the CPU: leave out --device cuda or --engine openvino")
        return True
    return gains and options.engine == "auto" and not on_cuda(options) and openvino_graph.is_installed()


def _has_8_bits(path: Path) -> bool:
    """Whether a graph has 8-bit convolutions, which onnxruntime runs as fast as OpenVINO does without bfloat16."""
    return any(parameter.form == "_quantized" for parameter in read_parameters(path).values())
