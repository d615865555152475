"""Stage one: an autoregressive transformer from phones to semantic tokens (text to semantic).

The network is the text-to-semantic GPT of GPT-SoVITS (https://github.com/RVC-Boss/GPT-SoVITS, `AR/models`),
whose checkpoints load strictly once the prefix `model.` is taken off their keys.

Training calls `forward(phones, phone_lengths, semantic, semantic_lengths, bert) -> logits` and
`targets(semantic, semantic_lengths)`; `forward_with_attention` also returns the attention of chosen layers.
Decoding calls `prefill` once and `step` for every token; the key/value cache is passed in and handed back.

Padding: phones are padded on the LEFT (the last column of every row is a phone, since it predicts the first
token), semantic tokens on the right. What stands in the padding does not matter.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

BERT_CHANNELS = 1024
"""Width of the BERT features of Chinese text (chinese-roberta-wwm-ext-large)."""


@dataclass(frozen=True)
class SemanticConfig:
    """Sizes of stage one; the defaults are the official ones.

    vocabulary: semantic tokens with the end token, which is the last.
    phonemes: rows of the phone table.
    bert: whether phones are accompanied by BERT features.
    dropout: after positions, attention and feed-forward; attention_dropout: on attention weights
    (0 keeps the fused attention kernels of a CPU in use).
    head_size: channels of a head, by default hidden / heads; a pruned network has fewer heads of the old size.
    """

    hidden: int = 512
    layers: int = 24
    heads: int = 16
    feed_forward: int = 2048
    vocabulary: int = 1025
    phonemes: int = 732
    bert: bool = True
    dropout: float = 0.1
    attention_dropout: float = 0.1
    head_size: int = 0

    def __post_init__(self) -> None:
        if not self.head_size:
            if self.hidden % (2 * self.heads):
                raise ValueError(f"hidden ({self.hidden}) must be a multiple of twice heads ({self.heads})")
            object.__setattr__(self, "head_size", self.hidden // self.heads)

    @property
    def eos(self) -> int:
        """Id of the end token."""
        return self.vocabulary - 1

    @property
    def attention(self) -> int:
        """Channels of all heads together."""
        return self.heads * self.head_size


@dataclass(frozen=True)
class KeyValueCache:
    """Keys and values of all layers, [layers, batch, heads, capacity, head_size]; rows start at index 0."""

    keys: Tensor
    values: Tensor

    @property
    def capacity(self) -> int:
        return self.keys.shape[3]

    def grown(self, capacity: int) -> "KeyValueCache":
        """A copy with room for `capacity` positions a row."""
        room = (0, 0, 0, capacity - self.capacity)
        return KeyValueCache(functional.pad(self.keys, room), functional.pad(self.values, room))


class TokenEmbedding(nn.Module):
    """Ids [batch, time] to vectors [batch, time, hidden]."""

    def __init__(self, tokens: int, hidden: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(tokens, hidden)

    def forward(self, ids: Tensor) -> Tensor:
        return self.word_embeddings(ids)  # type: ignore[no-any-return]


class SinePositions(nn.Module):
    """Adds sine positions, sines and cosines interleaved, scaled by one learned factor."""

    rates: Tensor

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.dropout = nn.Dropout(dropout)
        rates = torch.exp(torch.arange(0, hidden, 2, dtype=torch.float32) * -(math.log(10000.0) / hidden))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """x [batch, time, hidden] at positions [time] or [batch, time]."""
        angles = positions.unsqueeze(-1).float() * self.rates
        waves = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
        return self.dropout(x + self.alpha * waves)  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Multi-head attention with queries, keys and values in one projection."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.head_size = config.head_size
        self.attention_dropout = config.attention_dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.attention, config.hidden))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * config.attention))
        self.out_proj = nn.Linear(config.attention, config.hidden)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of x [batch, time, hidden], side by side: [batch, time, 3 * attention]."""
        return functional.linear(x, self.in_proj_weight, self.in_proj_bias)

    def split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [batch, heads, time, head_size], from the output of `project`."""
        batch, time, _ = qkv.shape
        q, k, v = qkv.view(batch, time, 3, self.heads, self.head_size).permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
        """Heads joined, [batch, time, attention]; visible [batch, 1, time, keys] is true where a query looks."""
        dropout = self.attention_dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout)
        return mixed.transpose(1, 2).flatten(2)


CachedAttention = Callable[[int, SelfAttention, Tensor], Tensor]
"""Attention of one position a row: (layer, attention, qkv [batch, 1, 3 * attention]) to [batch, 1, attention]."""


class TransformerLayer(nn.Module):
    """Attention and a ReLU feed-forward, each followed by a layer norm (post-norm)."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.linear1 = nn.Linear(config.hidden, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, config.hidden)
        self.norm1 = nn.LayerNorm(config.hidden)
        self.norm2 = nn.LayerNorm(config.hidden)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [batch, time, hidden] to the same shape, with the layer's keys and values."""
        q, k, v = self.self_attn.split(self.self_attn.project(x))
        return self.finish(x, self.self_attn.attend(q, k, v, visible)), k, v

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """What follows the attention: its output projection, residuals, norms and feed-forward."""
        x = self.norm1(x + self.dropout(self.self_attn.out_proj(attended)))
        inner = self.dropout(functional.relu(self.linear1(x)))
        return self.norm2(x + self.dropout(self.linear2(inner)))  # type: ignore[no-any-return]


class LayerStack(nn.Module):
    """Holds the layers under the name that the official checkpoints give them."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))


def visibility(phone: Tensor, valid: Tensor) -> Tensor:
    """Which key a query may look at: phones see phones, tokens see phones and the tokens up to themselves.

    phone, valid: bool [batch, time], whether a position holds a phone, and whether it holds anything.
    Returns bool [batch, 1, time (queries), time (keys)].
    """
    time = phone.shape[1]
    index = torch.arange(time, device=phone.device)
    past = index[None, :] <= index[:, None]
    seen = phone[:, None, :] | (~phone[:, :, None] & past)
    return (seen & valid[:, None, :])[:, None]


class SemanticTransformer(nn.Module):
    """Text to semantic tokens, 25 a second."""

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.config = config
        if config.bert:
            self.bert_proj = nn.Linear(BERT_CHANNELS, config.hidden)
        self.ar_text_embedding = TokenEmbedding(config.phonemes, config.hidden)
        self.ar_text_position = SinePositions(config.hidden, config.dropout)
        self.ar_audio_embedding = TokenEmbedding(config.vocabulary, config.hidden)
        self.ar_audio_position = SinePositions(config.hidden, config.dropout)
        self.h = LayerStack(config)
        self.ar_predict_layer = nn.Linear(config.hidden, config.vocabulary, bias=False)

    def targets(self, semantic: Tensor, semantic_lengths: Tensor) -> Tensor:
        """What `forward` should predict, [batch, T + 1]: the tokens, then the end token to the row's end.

        The official loss sums over whole rows, padding included; to leave it out, mask columns beyond a row's
        length.
        """
        columns = torch.arange(semantic.shape[1] + 1, device=semantic.device)
        padded = functional.pad(semantic, (0, 1))
        return padded.masked_fill(columns >= semantic_lengths[:, None], self.config.eos)

    def forward(
        self,
        phones: Tensor,
        phone_lengths: Tensor,
        semantic: Tensor,
        semantic_lengths: Tensor,
        bert: Tensor | None = None,
        phone_positions: Tensor | None = None,
    ) -> Tensor:
        """Logits under teacher forcing.

        phones: ids [batch, P], padded on the left; phone_lengths [batch].
        semantic: ids [batch, T], padded on the right; semantic_lengths [batch].
        bert: [batch, 1024, P], columns as in `phones`; None for a model without BERT input.
        phone_positions: [batch, P]; by default each row counts from its first phone, as in decoding. The
        official training loop counts padding as well: `torch.arange(P).expand(batch, P)` reproduces it.
        Returns [batch, T + 1, vocabulary]: column t predicts token t, the one after the last token the end.
        """
        return self.forward_with_attention(
            phones, phone_lengths, semantic, semantic_lengths, bert, phone_positions=phone_positions
        )[0]

    def forward_with_attention(
        self,
        phones: Tensor,
        phone_lengths: Tensor,
        semantic: Tensor,
        semantic_lengths: Tensor,
        bert: Tensor | None = None,
        *,
        layers: Collection[int] = (),
        phone_positions: Tensor | None = None,
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """As `forward`, with the attention weights of tokens on phones in the chosen layers (for a guided loss).

        Returns logits and, for each layer, weights [batch, heads, T, P]: the part of the attention that goes
        to the phones, so that a row sums to at most one. Only the chosen layers pay for it.
        """
        text_columns, audio_columns = phones.shape[1], semantic.shape[1]
        device = phones.device
        left = text_columns - phone_lengths[:, None]
        text_index = torch.arange(text_columns, device=device)
        audio_index = torch.arange(audio_columns, device=device)
        if phone_positions is None:
            phone_positions = (text_index - left).clamp(min=0)
        tokens = self.targets(semantic, semantic_lengths)[:, :-1]
        x = torch.cat(
            [self.embed_phones(phones, phone_positions, bert), self.embed_tokens(tokens, audio_index)], dim=1
        )
        valid = torch.cat([text_index >= left, audio_index < semantic_lengths[:, None]], dim=1)
        phone = torch.arange(x.shape[1], device=device) < text_columns
        visible = visibility(phone.expand_as(valid), valid)

        attention: dict[int, Tensor] = {}
        for index, layer in enumerate(self.h.layers):
            assert isinstance(layer, TransformerLayer)
            if index in layers:
                attention[index] = self._attention_to_phones(layer, x, visible, text_columns)
            x, _, _ = layer(x, visible)
        return self.ar_predict_layer(x[:, text_columns - 1 :]), attention

    def prefill(
        self,
        phones: Tensor,
        phone_lengths: Tensor,
        prompt: Tensor,
        prompt_lengths: Tensor,
        bert: Tensor | None = None,
    ) -> tuple[Tensor, KeyValueCache]:
        """Reads phones and prompt tokens; the first step of decoding.

        Shapes and padding as in `forward`, with the prompt (T may be 0) in the place of `semantic`.
        Returns logits [batch, vocabulary] of the next token, and the cache with capacity P + T, in which row
        b holds `phone_lengths[b] + prompt_lengths[b]` positions from index 0 on; what follows is meaningless.
        """
        text_columns, audio_columns = phones.shape[1], prompt.shape[1]
        columns = text_columns + audio_columns
        device = phones.device
        left = text_columns - phone_lengths[:, None]
        text_positions = (torch.arange(text_columns, device=device) - left).clamp(min=0)
        x = torch.cat(
            [
                self.embed_phones(phones, text_positions, bert),
                self.embed_tokens(prompt, torch.arange(audio_columns, device=device)),
            ],
            dim=1,
        )
        # Padding stands in front and behind: moving each row by its left padding makes it start at index 0.
        index = torch.arange(columns, device=device)
        x = x.gather(1, torch.minimum(index + left, index[-1:])[:, :, None].expand_as(x))
        lengths = (phone_lengths + prompt_lengths)[:, None]
        visible = visibility(index < phone_lengths[:, None], index < lengths)

        keys, values = [], []
        for layer in self.h.layers:
            x, k, v = layer(x, visible)
            keys.append(k)
            values.append(v)
        last = x.gather(1, (lengths[:, :, None] - 1).expand(-1, -1, x.shape[2]))[:, 0]
        return self.ar_predict_layer(last), KeyValueCache(torch.stack(keys), torch.stack(values))

    def step(
        self, token: Tensor, positions: Tensor, cache: KeyValueCache, cache_lengths: Tensor
    ) -> tuple[Tensor, KeyValueCache]:
        """Reads one token a row; each following step of decoding.

        token: ids [batch, 1]; positions [batch]: its place among the semantic tokens, prompt included.
        cache_lengths [batch]: filled positions of each row, below the capacity; the token's keys and values
        are written there, into the cache that was passed in.
        Returns logits [batch, vocabulary] of the next token, and the cache.
        """
        rows = torch.arange(token.shape[0], device=token.device)
        columns = torch.arange(cache.capacity, device=token.device)
        visible = (columns <= cache_lengths[:, None])[:, None, None]

        def attend(index: int, attention: SelfAttention, qkv: Tensor) -> Tensor:
            q, k, v = attention.split(qkv)
            cache.keys[index, rows, :, cache_lengths] = k[:, :, 0].to(cache.keys.dtype)
            cache.values[index, rows, :, cache_lengths] = v[:, :, 0].to(cache.values.dtype)
            return attention.attend(q, cache.keys[index], cache.values[index], visible)

        return self.step_with(token, positions, attend), cache

    def step_with(self, token: Tensor, positions: Tensor, attend: CachedAttention) -> Tensor:
        """Logits of `step` with a cache that only `attend` knows, so that a graph can keep it its own way."""
        x = self.embed_tokens(token, positions[:, None])
        for index, layer in enumerate(self.h.layers):
            assert isinstance(layer, TransformerLayer)
            x = layer.finish(x, attend(index, layer.self_attn, layer.self_attn.project(x)))
        return self.ar_predict_layer(x[:, 0])  # type: ignore[no-any-return]

    def embed_phones(self, phones: Tensor, positions: Tensor, bert: Tensor | None) -> Tensor:
        """Phones [batch, P] with their BERT features [batch, 1024, P] and positions, [batch, P, hidden]."""
        if (bert is not None) != self.config.bert:
            raise ValueError("BERT features must be given exactly when the configuration asks for them")
        x = self.ar_text_embedding(phones)
        if bert is not None:
            x = x + self.bert_proj(bert.transpose(1, 2))
        return self.ar_text_position(x, positions)  # type: ignore[no-any-return]

    def embed_tokens(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Semantic tokens [batch, T] with their positions, [batch, T, hidden]."""
        return self.ar_audio_position(self.ar_audio_embedding(tokens), positions)  # type: ignore[no-any-return]

    @staticmethod
    def _attention_to_phones(
        layer: TransformerLayer, x: Tensor, visible: Tensor, text_columns: int
    ) -> Tensor:
        q, k, _ = layer.self_attn.split(layer.self_attn.project(x))
        scores = q[:, :, text_columns:] @ k.transpose(2, 3) / math.sqrt(layer.self_attn.head_size)
        weights = scores.masked_fill(~visible[:, :, text_columns:], -torch.inf).float().softmax(-1)
        return weights[..., :text_columns]
