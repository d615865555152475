"""The compiled functions, called by ctypes: they let other threads of Python run meanwhile. `model.h` has the same structures."""

import ctypes
import importlib.util
from ctypes import POINTER, c_char_p, c_float, c_int32, c_uint64, c_void_p
from functools import cache

VARIANTS = ("amx", "avx512", "avx2", "neon")
"""Instructions that there is a variant for, the fastest first."""


class Product(ctypes.Structure):
    """`Product` of model.h."""

    _fields_ = (
        ("form", c_int32),
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("block", c_int32),
        ("wide_scales", c_int32),
        ("weights", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
    )


class Projection(ctypes.Structure):
    """`Projection` of model.h."""

    _fields_ = (
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("weights", c_void_p),
        ("bias", c_void_p),
    )


class Layer(ctypes.Structure):
    """`Layer` of model.h."""

    _fields_ = (
        ("queries", Product),
        ("attended", Product),
        ("inner", Product),
        ("outer", Product),
        ("norm1_weight", c_void_p),
        ("norm1_bias", c_void_p),
        ("norm2_weight", c_void_p),
        ("norm2_bias", c_void_p),
    )


class Model(ctypes.Structure):
    """`Model` of model.h."""

    _fields_ = (
        ("layers", c_int32),
        ("hidden", c_int32),
        ("heads", c_int32),
        ("head_size", c_int32),
        ("feed_forward", c_int32),
        ("rows", c_int32),
        ("capacity", c_int32),
        ("epsilon", c_float),
        ("layer", POINTER(Layer)),
        ("predict", Product),
        ("keys", c_void_p),
        ("values", c_void_p),
        ("key_scales", c_void_p),
        ("value_scales", c_void_p),
    )


class Batch(ctypes.Structure):
    """`Batch` of model.h."""

    _fields_ = (
        ("count", c_int32),
        ("predicted", c_int32),
        ("x", c_void_p),
        ("rows", c_void_p),
        ("places", c_void_p),
        ("seen", c_void_p),
        ("logits", c_void_p),
    )


class Choice(ctypes.Structure):
    """`Choice` of model.h."""

    _fields_ = (
        ("logits", c_void_p),
        ("previous", c_void_p),
        ("tokens", c_void_p),
        ("likely", c_void_p),
        ("best", c_void_p),
        ("count", c_int32),
        ("previous_count", c_int32),
        ("top_k", c_int32),
        ("top_p", c_float),
        ("temperature", c_float),
        ("penalty", c_float),
    )


class Convolution(ctypes.Structure):
    """`Convolution` of model.h."""

    _fields_ = (
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("taps", c_int32),
        ("step", c_int32),
        ("weights", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
        ("sums", c_void_p),
    )


class WideConvolution(ctypes.Structure):
    """`WideConvolution` of model.h."""

    _fields_ = (
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("taps", c_int32),
        ("rate", c_int32),
        ("weights", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
        ("shifts", c_void_p),
    )


class Generator(ctypes.Structure):
    """`Generator` of model.h."""

    _fields_ = (
        ("stages", c_int32),
        ("blocks", c_int32),
        ("pairs", c_int32),
        ("last_inputs", c_int32),
        ("last_taps", c_int32),
        ("last_bias", c_float),
        ("upsampling", POINTER(WideConvolution)),
        ("convolutions", POINTER(Convolution)),
        ("last_weights", c_void_p),
    )


class Vocoding(ctypes.Structure):
    """`Vocoding` of model.h."""

    _fields_ = (
        ("frames", c_int32),
        ("latent", c_void_p),
        ("bias", c_void_p),
        ("audio", c_void_p),
        ("buffers", c_void_p * 4),
    )


class Norm(ctypes.Structure):
    """`Norm` of model.h."""

    _fields_ = (("weight", c_void_p), ("bias", c_void_p))


class FilmBlock(ctypes.Structure):
    """`FilmBlock` of model.h."""

    _fields_ = (
        ("taps", c_int32),
        ("mix", c_void_p),
        ("mix_bias", c_void_p),
        ("norm", Norm),
        ("film", Product),
        ("up", Product),
        ("down", Product),
    )


class FilmBlocks(ctypes.Structure):
    """`FilmBlocks` of model.h."""

    _fields_ = (
        ("channels", c_int32),
        ("inner", c_int32),
        ("count", c_int32),
        ("epsilon", c_float),
        ("blocks", POINTER(FilmBlock)),
        ("condition", Projection * 2),
    )


class LatentNetwork(ctypes.Structure):
    """`LatentNetwork` of model.h."""

    _fields_ = (
        ("blocks", FilmBlocks),
        ("token_blocks", c_int32),
        ("rate", c_int32),
        ("pitch_taps", c_int32),
        ("pitch_bias", c_float),
        ("spread", Product),
        ("to_latent", Product),
        ("to_pitch", Product),
        ("pitch_weights", c_void_p),
    )


class Speaking(ctypes.Structure):
    """`Speaking` of model.h."""

    _fields_ = (
        ("tokens", c_int32),
        ("passes", c_int32),
        ("first", c_int32),
        ("frames", c_int32),
        ("x", c_void_p * 2),
        ("timbre", c_void_p),
        ("latent", c_void_p),
        ("pitch", c_void_p),
    )


class EnvelopeNetwork(ctypes.Structure):
    """`EnvelopeNetwork` of model.h."""

    _fields_ = (
        ("blocks", FilmBlocks),
        ("norm", Norm),
        ("inputs", c_int32),
        ("from_latent", Product),
        ("to_envelope", Product),
        ("to_aperiodicity", Product),
    )


class Shaping(ctypes.Structure):
    """`Shaping` of model.h."""

    _fields_ = (
        ("frames", c_int32),
        ("x", c_void_p),
        ("timbre", c_void_p),
        ("envelope", c_void_p),
        ("aperiodicity", c_void_p),
    )


_STRUCTURES = (
    Product,
    Projection,
    Layer,
    Model,
    Batch,
    Choice,
    Convolution,
    WideConvolution,
    Generator,
    Vocoding,
    FilmBlock,
    FilmBlocks,
    LatentNetwork,
    Speaking,
    EnvelopeNetwork,
    Shaping,
)
"""What compiled code is handed, in the order in which it tells their sizes."""


@cache
def library() -> ctypes.CDLL | None:
    """The compiled functions; None where the package was installed without them, or with those of another version."""
    found = importlib.util.find_spec("timbral.native._native")
    if found is None or found.origin is None:
        return None
    try:
        functions = ctypes.CDLL(found.origin)
        functions.timbral_layout.restype = c_uint64
        layout = functions.timbral_layout()
    except (OSError, AttributeError):
        return None
    sizes = 0
    for structure in _STRUCTURES:
        sizes = (sizes * 4099 + ctypes.sizeof(structure)) % (1 << 64)
    if layout != sizes:
        return None
    functions.timbral_can_run.argtypes = (c_char_p,)
    functions.timbral_can_run.restype = c_int32
    functions.timbral_open.argtypes = (POINTER(Model), c_char_p, c_int32, c_int32)
    functions.timbral_open.restype = c_void_p
    functions.timbral_close.argtypes = (c_void_p,)
    functions.timbral_close.restype = None
    functions.timbral_run.argtypes = (c_void_p, POINTER(Batch))
    functions.timbral_run.restype = c_int32
    functions.timbral_project.argtypes = (c_void_p, POINTER(Projection), c_void_p, c_int32, c_void_p)
    functions.timbral_project.restype = None
    functions.timbral_can_vocode.argtypes = (c_char_p,)
    functions.timbral_can_vocode.restype = c_int32
    functions.timbral_open_vocoder.argtypes = (POINTER(Generator), c_char_p, c_int32, c_int32)
    functions.timbral_open_vocoder.restype = c_void_p
    functions.timbral_close_vocoder.argtypes = (c_void_p,)
    functions.timbral_close_vocoder.restype = None
    functions.timbral_vocode.argtypes = (c_void_p, POINTER(Vocoding))
    functions.timbral_vocode.restype = None
    functions.timbral_speak_latent.argtypes = (c_char_p, POINTER(LatentNetwork), POINTER(Speaking))
    functions.timbral_speak_latent.restype = c_int32
    functions.timbral_shape_envelope.argtypes = (c_char_p, POINTER(EnvelopeNetwork), POINTER(Shaping))
    functions.timbral_shape_envelope.restype = c_int32
    functions.timbral_finder.argtypes = (c_char_p,)
    functions.timbral_finder.restype = c_void_p
    return functions


@cache
def usable_variants() -> tuple[str, ...]:
    """The variants that this installation has and this processor can run, the fastest first."""
    functions = library()
    if functions is None:
        return ()
    return tuple(name for name in VARIANTS if functions.timbral_can_run(name.encode()))


@cache
def vocoder_variants() -> tuple[str, ...]:
    """Those of `usable_variants` that have a vocoder."""
    functions = library()
    if functions is None:
        return ()
    return tuple(name for name in usable_variants() if functions.timbral_can_vocode(name.encode()))
