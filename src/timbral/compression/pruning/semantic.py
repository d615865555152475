"""Stage one with fewer layers, heads, neurons and channels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from timbral.compression.pruning.axes import cut
from timbral.compression.pruning.embedded import spaced_blocks
from timbral.compression.pruning.importance import importance, most_important
from timbral.compression.pruning.layouts import semantic_layout
from timbral.nets.semantic import SemanticTransformer
from timbral.training.semantic import SemanticExample, collate


def smaller_semantic(
    network: SemanticTransformer,
    examples: Sequence[SemanticExample],
    *,
    layers: int,
    hidden: int,
    heads: int,
    feed_forward: int,
    token_rows: Callable[[Tensor], Tensor] | None = None,
) -> SemanticTransformer:
    """Stage one in these sizes, with the weights of the most important units.

    heads: of the size that they have; with fewer than `hidden` needs, or with more, attention is narrower or
    wider than the residual stream. token_rows: makes of rows of all tokens those of a smaller vocabulary.
    """
    config = network.config
    layout = semantic_layout(config.head_size)
    scores = importance(network, layout, _outputs(network, examples))
    sizes = {"heads": heads, "neurons": feed_forward}
    kept = {
        name: most_important(score, sizes[name.partition(" ")[0]])
        for name, score in scores.items()
        if name != "hidden"
    }
    # The rates of positions fall from pair to pair: those that are kept have nearly the rates of the smaller stream.
    pairs = torch.linspace(0, config.hidden // 2 - 1, hidden // 2).round().long()
    state = cut(layout, dict(network.named_parameters()), kept | {"hidden": pairs})
    if token_rows is not None:
        for name in ("ar_audio_embedding.word_embeddings.weight", "ar_predict_layer.weight"):
            state[name] = token_rows(state[name])
    state = spaced_blocks(state, "h.layers", layers)
    small = SemanticTransformer(
        replace(
            config,
            hidden=hidden,
            layers=layers,
            heads=heads,
            head_size=config.head_size,
            feed_forward=feed_forward,
            vocabulary=len(state["ar_predict_layer.weight"]),
        )
    )
    small.load_state_dict(state)
    return small.eval()


def _outputs(
    network: SemanticTransformer, examples: Sequence[SemanticExample]
) -> Iterator[Callable[[], Tensor]]:
    """Log probabilities of the spoken tokens of each example."""
    for example in examples:
        batch = collate([example], bert=network.config.bert)

        def output(batch: dict[str, Tensor] = batch) -> Tensor:
            logits = network(
                batch["phones"],
                batch["phone_lengths"],
                batch["tokens"],
                batch["token_lengths"],
                batch.get("bert"),
            )
            targets = network.targets(batch["tokens"], batch["token_lengths"])
            return -F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")

        yield output
