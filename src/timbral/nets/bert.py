"""The BERT encoder for Chinese text (Devlin et al. 2019, arXiv:1810.04805): a feature vector per token.

The official models read chinese-roberta-wwm-ext-large (Cui et al. 2021) up to the third last of its hidden
states, counted with the embeddings. The two layers above, the pooler and the language model's head are left
out. Parameter names are those of `BertModel` in huggingface/transformers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

UNREAD_LAYERS = 2
"""Layers of the checkpoint above the hidden state that the official models read."""


@dataclass(frozen=True)
class BertConfig:
    """Sizes of BERT; the defaults are those of chinese-roberta-wwm-ext-large, with the layers that are read.

    positions: the longest text in tokens, the special ones included.
    """

    vocabulary: int = 21128
    hidden: int = 1024
    layers: int = 24 - UNREAD_LAYERS
    heads: int = 16
    feed_forward: int = 4096
    positions: int = 512
    segments: int = 2


_EPSILON = 1e-12


class Embeddings(nn.Module):
    """Tokens with their places: int64 [batch, tokens] to [batch, tokens, hidden]."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocabulary, config.hidden)
        self.position_embeddings = nn.Embedding(config.positions, config.hidden)
        self.token_type_embeddings = nn.Embedding(config.segments, config.hidden)
        self.LayerNorm = nn.LayerNorm(config.hidden, _EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        places = self.position_embeddings.weight[: tokens.shape[1]]
        only_segment = self.token_type_embeddings.weight[0]
        return self.LayerNorm(self.word_embeddings(tokens) + only_segment + places)  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Attention of all heads, not yet mixed: [batch, tokens, hidden] to the same shape."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.hidden, config.hidden)
        self.key = nn.Linear(config.hidden, config.hidden)
        self.value = nn.Linear(config.hidden, config.hidden)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """valid: bool [batch, 1, 1, tokens], which tokens may be looked at."""
        q, k, v = (
            projection(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projection in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=valid)
        return mixed.transpose(1, 2).flatten(2)


class Projection(nn.Module):
    """A linear layer whose result is added to the residual and normed."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(inputs, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, _EPSILON)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + residual)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Self-attention with its residual: [batch, tokens, hidden] to the same shape."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = Projection(config.hidden, config.hidden)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        return self.output(self.self(x, valid), x)  # type: ignore[no-any-return]


class Intermediate(nn.Module):
    """The wide half of the feed-forward, under the name that checkpoints give it."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden, config.feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        return functional.gelu(self.dense(x))


class TransformerLayer(nn.Module):
    """Attention and feed-forward: [batch, tokens, hidden] to the same shape."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.intermediate = Intermediate(config)
        self.output = Projection(config.feed_forward, config.hidden)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        x = self.attention(x, valid)
        return self.output(self.intermediate(x), x)  # type: ignore[no-any-return]


class LayerStack(nn.Module):
    """The layers, under the name that checkpoints give them."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        for layer in self.layer:
            x = layer(x, valid)
        return x


class Bert(nn.Module):
    """Token ids of a text to a vector for each token."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = LayerStack(config)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The vectors [batch, T - 2, hidden] of all tokens but the first and last, which are special.

        tokens: int64 [batch, T], [CLS] and [SEP] around each text, padded on the right with any id; lengths:
        int64 [batch], with the special tokens. Beyond lengths - 2 a row is meaningless.
        """
        columns = torch.arange(tokens.shape[1], device=tokens.device)
        valid = (columns < lengths[:, None])[:, None, None]
        return self.encoder(self.embeddings(tokens), valid)[:, 1:-1]  # type: ignore[no-any-return]


def bert_state(checkpoint: Mapping[str, Tensor], config: BertConfig) -> dict[str, Tensor]:
    """The state of `Bert` in a checkpoint, with or without a language model's head; float32.

    Names may follow `bert.`, and norms may have the names `gamma` and `beta` of checkpoints from TensorFlow.
    """
    unread = tuple(f"encoder.layer.{layer}." for layer in range(config.layers, config.layers + UNREAD_LAYERS))
    state: dict[str, Tensor] = {}
    for key, tensor in checkpoint.items():
        name = key.removeprefix("bert.")
        name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if name.startswith(("embeddings.", "encoder.")) and not name.startswith(unread):
            state[name] = tensor.to(torch.float32)
    state.pop("embeddings.position_ids", None)
    return state
