"""Stage one as two ONNX graphs over one weight file: `prefill` reads phones and prompt, `step` a token a row.

Files: `semantic_prefill.onnx` and `semantic_step.onnx` hold no large weights; both point into
`semantic.weights`, which must lie beside them. Sizes are read off the sessions: the number of layers is the
number of inputs `key_*` of `step`; heads, head_size and vocabulary are fixed dimensions of its inputs and
outputs; a model with BERT features is one whose `prefill` has the input `bert`. B (rows), P, T and C
(capacity) are free.

`prefill`
    phones          int64   [B, P]          padded on the left
    phone_lengths   int64   [B]             at least 1
    prompt          int64   [B, T]          semantic tokens, padded on the right; T may be 0
    prompt_lengths  int64   [B]
    bert            float32 [B, 1024, P]    columns as in phones; only where the model has it
  gives
    logits          float32 [B, vocabulary] of the next token
    key_0, value_0, key_1, ... float32 [B, heads, P + T, head_size]
                    row b is filled at [0 : phone_lengths[b] + prompt_lengths[b]]; the rest is meaningless

`step`
    token           int64   [B, 1]          the token that was sampled
    positions       int64   [B]             its position among its row's semantic tokens: n for the first after
                                            a prompt of n, then n + 1, ...
    cache_lengths   int32   [B]             filled positions of each row's cache before this step, below C
    total_length    int32   [1]             max(cache_lengths) + 1
    key_0, value_0, key_1, ... float32 [B, heads, C, head_size]
  gives
    logits          float32 [B, vocabulary] of the next token
    key_0_next, value_0_next, key_1_next, ... float32 [B, heads, C, head_size]

The caches are buffers that the caller allocates once and fills from `prefill`
(buffer[b, :, :n] = key[b, :, :n]). Bind each buffer both as the input `key_i` and as the output `key_i_next`
(the same OrtValue; on the CPU `OrtValue.ortvalue_from_numpy` shares the array's memory): then the attention
operator, GroupQueryAttention of onnxruntime, writes one position a row at `cache_lengths[b]` and copies
nothing, and its cost depends on the positions that are filled, not on C. Unbound, the outputs are new arrays:
correct, but slower. Rows are independent and may differ in length; what lies beyond a row's length is never
read, so that a slot can be reused by another request without clearing. `buffer[:b]` is contiguous,
hence fewer rows can be stepped in the front part of a larger buffer. A binding does not keep arrays alive.

In int8 and int4 `semantic_prefill_int8_cache.onnx` and `semantic_step_int8_cache.onnx` are the same graphs
over the same weights with an int8 KV cache (`conversion.export.int8_kv_cache`), for versions of onnxruntime
that support one. They are left out where the network's keys and values have no stable range.

In fp16 `semantic_prefill_fp16.onnx` and `semantic_step_fp16.onnx` are the same graphs over the same weights,
which also compute in float16 (`conversion.export.fp16`): CUDA's GroupQueryAttention has no float32.

Fastest step measured on two busy cores of a Xeon, fp32, 200 to 260 positions filled, in ms, against two other
designs: Attention with TensorScatter of ONNX 24, and plain operators that mask the buffer and hand back the
new position alone, for the caller to write.

| sizes               | B, C    | GroupQueryAttention | TensorScatter | new position |
|---------------------|---------|---------------------|---------------|--------------|
| 384 wide, 6 layers  | 1, 512  | 1.8                 | 2.2           | 2.3          |
|                     | 1, 2048 | 1.9                 | 3.5           | 3.8          |
|                     | 4, 2048 | 2.5                 | 15            | 26           |
| 512 wide, 24 layers | 1, 512  | 30                  | 26            | 31           |
|                     | 4, 512  | 33                  | 48            | 56           |
|                     | 4, 2048 | 55                  | 125           | 128          |
"""

from functools import partial
from pathlib import Path

import onnx
import torch
from torch import Tensor

from timbral.conversion.export.fp16 import to_fp16
from timbral.conversion.export.graph import to_graph
from timbral.conversion.export.int8_kv_cache import cache_scales, with_int8_cache
from timbral.conversion.export.precision import Precision, to_precision
from timbral.conversion.export.weights import write_graphs
from timbral.models.files import SEMANTIC_PREFILL, SEMANTIC_STEP, variant
from timbral.nets.semantic import BERT_CHANNELS, SelfAttention, SemanticTransformer

WEIGHTS = "semantic.weights"


def export_semantic(network: SemanticTransformer, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the graphs of `network` and their weights into `folder`."""
    write_graphs(folder, semantic_graphs(network, precision), WEIGHTS)


def semantic_graphs(network: SemanticTransformer, precision: Precision) -> dict[str, onnx.ModelProto]:
    """All graphs of `network` in a precision, by the names of their files."""
    config = network.config
    rows, columns, prompt, capacity = 2, 5, 3, 11
    caches = [f"{kind}_{layer}" for layer in range(config.layers) for kind in ("key", "value")]
    lengths = torch.tensor([columns, columns - 1])

    prefill_inputs = {
        "phones": torch.zeros(rows, columns, dtype=torch.long),
        "phone_lengths": lengths,
        "prompt": torch.zeros(rows, prompt, dtype=torch.long),
        "prompt_lengths": torch.tensor([prompt, prompt - 1]),
    }
    if config.bert:
        prefill_inputs["bert"] = torch.zeros(rows, BERT_CHANNELS, columns)
    step_inputs = {
        "token": torch.zeros(rows, 1, dtype=torch.long),
        "positions": torch.tensor([prompt, prompt - 1]),
        "cache_lengths": (lengths + prompt).int(),
        "total_length": torch.tensor([columns + prompt + 1], dtype=torch.int32),
        **{name: torch.zeros(rows, config.heads, capacity, config.head_size) for name in caches},
    }
    prefill = to_graph(
        network,
        partial(_prefill, network),
        prefill_inputs,
        ["logits", *caches],
        {
            "phones": {0: "B", 1: "P"},
            "phone_lengths": {0: "B"},
            "prompt": {0: "B", 1: "T"},
            "prompt_lengths": {0: "B"},
            "bert": {0: "B", 2: "P"},
        },
    )
    graphs = _stored(SEMANTIC_PREFILL, prefill, precision)
    step = to_graph(
        network,
        partial(_step, network),
        step_inputs,
        ["logits", *(f"{name}_next" for name in caches)],
        {
            **{name: {0: "B"} for name in ("token", "positions", "cache_lengths")},
            **{name: {0: "B", 2: "C"} for name in caches},
        },
    )
    graphs |= _stored(SEMANTIC_STEP, step, precision)
    scales = cache_scales(network) if precision in ("int8", "int4") else None
    if scales is not None:
        quantized = with_int8_cache(graphs[SEMANTIC_PREFILL], graphs[SEMANTIC_STEP], scales)
        graphs[variant(SEMANTIC_PREFILL, "int8_cache")], graphs[variant(SEMANTIC_STEP, "int8_cache")] = (
            quantized
        )
    return graphs


def _stored(name: str, graph: onnx.ModelProto, precision: Precision) -> dict[str, onnx.ModelProto]:
    """A graph in the precision, which changes it, and for fp16 also the graph that computes in float16.

    Converted before the next graph is traced, so that the float32 weights are in memory once.
    """
    computing = {variant(name, "fp16"): to_fp16(graph)} if precision == "fp16" else {}
    return {name: to_precision(graph, precision), **computing}


def _prefill(network: SemanticTransformer, *inputs: Tensor) -> tuple[Tensor, ...]:
    """`SemanticTransformer.prefill` with the cache as two tensors a layer."""
    logits, cache = network.prefill(*inputs)
    layers = zip(cache.keys, cache.values, strict=True)
    return logits, *(tensor for layer in layers for tensor in layer)


def _step(
    network: SemanticTransformer,
    token: Tensor,
    positions: Tensor,
    cache_lengths: Tensor,
    total_length: Tensor,
    *caches: Tensor,
) -> tuple[Tensor, ...]:
    """`SemanticTransformer.step` with the cache kept by onnxruntime's GroupQueryAttention."""
    updated: list[Tensor] = []

    def attend(layer: int, attention: SelfAttention, qkv: Tensor) -> Tensor:
        key, value = caches[2 * layer : 2 * layer + 2]
        attended, *cache = torch.onnx.ops.symbolic_multi_out(
            "com.microsoft::GroupQueryAttention",
            (qkv, None, None, key, value, cache_lengths, total_length),
            {"num_heads": attention.heads, "kv_num_heads": attention.heads},
            dtypes=(qkv.dtype, key.dtype, value.dtype),
            shapes=((*qkv.shape[:2], attention.heads * attention.head_size), key.shape, value.shape),
            version=1,
        )
        updated.extend(cache)
        return attended

    return network.step_with(token, positions, attend), *updated
