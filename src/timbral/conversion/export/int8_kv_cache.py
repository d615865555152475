"""Stage one's graphs with an int8 KV cache, a quarter of what attention reads in every step.

`with_int8_cache` makes, of the two graphs of `conversion.export.semantic`, two whose caches are int8 instead
of float32. Each channel has a scale of its own, calibrated on tokens that the network samples for random
phones (`cache_scales`). Prefill rounds its caches, and GroupQueryAttention what it appends; values beyond the
range are clipped.
"""

import copy
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from timbral.nets.semantic import BERT_CHANNELS, KeyValueCache, SemanticTransformer

MARGIN = 1.5
"""Range of the scales over the largest calibrated value."""
CLIPPED = 1e-3
"""Share of a second sample's values that may be beyond the range.

Where it is larger, there is no int8 cache.
"""
ROWS, PHONES, PROMPT, TOKENS = 24, 40, 40, 20
"""Calibration data: rows of random phones, with a prompt of random tokens, and the tokens that follow it."""
TOP_K = 15

Scales = Sequence[NDArray[np.float32]]
"""Quantisation scales of keys and values of each layer in turn, [heads * head_size] each."""


def cache_scales(network: SemanticTransformer) -> Scales | None:
    """Scales of the network's caches; None if a second sample leaves the ranges of the first."""
    largest = _magnitudes(_calibration_cache(network, seed=0)).amax(dim=(1, 3))
    scales = MARGIN / 127 * largest.clamp(min=1e-6)
    beyond = _magnitudes(_calibration_cache(network, seed=1)) > 127 * scales[:, None, :, None]
    if beyond.float().mean() > CLIPPED:
        return None
    return [layer.flatten().numpy() for layer in scales]


def with_int8_cache(
    prefill: onnx.ModelProto, step: onnx.ModelProto, scales: Scales
) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """The two graphs with 8-bit caches; those passed in are not changed."""
    return _quantize_prefill(copy.deepcopy(prefill), scales), _quantize_step(copy.deepcopy(step), scales)


@torch.inference_mode()
def _calibration_cache(network: SemanticTransformer, seed: int) -> KeyValueCache:
    """The cache after random phones, BERT features in every second row, a random prompt, sampled tokens."""
    config, rng = network.config, torch.Generator().manual_seed(seed)
    phones = torch.randint(0, config.phonemes, (ROWS, PHONES), generator=rng)
    features = (
        torch.randn(ROWS, BERT_CHANNELS, PHONES, generator=rng) * (torch.arange(ROWS) % 2)[:, None, None]
    )
    prompt = torch.randint(0, config.eos, (ROWS, PROMPT), generator=rng)
    counts = torch.full((ROWS,), PHONES), torch.full((ROWS,), PROMPT)
    logits, cache = network.prefill(phones, counts[0], prompt, counts[1], features if config.bert else None)
    cache = cache.grown(PHONES + PROMPT + TOKENS)
    for position in range(TOKENS):
        best, tokens = logits[:, : config.eos].topk(TOP_K)
        sampled = tokens.gather(1, torch.multinomial(best.softmax(1), 1, generator=rng))
        logits, cache = network.step(sampled, counts[1] + position, cache, counts[0] + counts[1] + position)
    return cache


def _magnitudes(cache: KeyValueCache) -> torch.Tensor:
    """Of keys and values of each layer in turn, [2 * layers, batch, heads, time, head_size]."""
    return torch.stack([cache.keys, cache.values], dim=1).flatten(0, 1).abs()


def _quantize_prefill(prefill: onnx.ModelProto, scales: Scales) -> onnx.ModelProto:
    """Makes prefill give int8 caches."""
    graph = prefill.graph
    graph.initializer.extend(
        numpy_helper.from_array(np.float32(bound), f"cache/{name}")
        for name, bound in (("lowest", -127), ("highest", 127))
    )
    caches = [item for item in graph.output if _is_cache(item.name)]
    wide = {item.name: f"{item.name}/wide" for item in caches}
    for node in graph.node:
        node.input[:] = [wide.get(name, name) for name in node.input]
        node.output[:] = [wide.get(name, name) for name in node.output]
    for item, scale in zip(caches, scales, strict=True):
        name = item.name
        heads = item.type.tensor_type.shape.dim[1].dim_value
        steps = (1 / scale).reshape(1, heads, 1, -1)
        graph.initializer.append(numpy_helper.from_array(steps, f"{name}/steps"))
        graph.node.extend(
            [
                helper.make_node("Mul", [wide[name], f"{name}/steps"], [f"{name}/scaled"]),
                helper.make_node("Round", [f"{name}/scaled"], [f"{name}/rounded"]),
                helper.make_node(
                    "Clip", [f"{name}/rounded", "cache/lowest", "cache/highest"], [f"{name}/clipped"]
                ),
                helper.make_node("Cast", [f"{name}/clipped"], [name], to=TensorProto.INT8),
            ]
        )
        item.type.tensor_type.elem_type = TensorProto.INT8
    return prefill


def _quantize_step(step: onnx.ModelProto, scales: Scales) -> onnx.ModelProto:
    """Makes the attention of a step read and write int8."""
    graph = step.graph
    for item in (*graph.input, *graph.output):
        if _is_cache(item.name):
            item.type.tensor_type.elem_type = TensorProto.INT8
    attentions = [node for node in graph.node if node.op_type == "GroupQueryAttention"]
    for layer, node in enumerate(attentions):
        names = [f"cache/{kind}_{layer}_scale" for kind in ("key", "value")]
        pair = scales[2 * layer : 2 * layer + 2]
        graph.initializer.extend(
            numpy_helper.from_array(scale, name) for name, scale in zip(names, pair, strict=True)
        )
        node.input.extend([""] * (12 - len(node.input)))
        node.input.extend(names)
        for key, value in (
            ("k_quant_type", "PER_CHANNEL"),
            ("v_quant_type", "PER_CHANNEL"),
            ("kv_cache_bit_width", 8),
        ):
            node.attribute.append(helper.make_attribute(key, value))
    return step


def _is_cache(name: str) -> bool:
    return name.startswith(("key_", "value_"))
