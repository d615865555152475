"""Stage two of v1 to v2ProPlus with fewer neurons and channels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from timbral.compression.pruning.axes import cut
from timbral.compression.pruning.importance import importance, most_important
from timbral.compression.pruning.layouts import vits_layout
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.normalization import fold_weight_norm

_LONGEST = 40
"""Tokens of an utterance on which importance is measured."""


@dataclass(frozen=True)
class VitsSample:
    """An utterance for stage two: tokens int64 [1, T], phones int64 [1, P], timbre float [1, D, 1]."""

    tokens: Tensor
    phones: Tensor
    timbre: Tensor


def smaller_vits(
    network: AcousticNetwork,
    samples: Sequence[VitsSample],
    *,
    feed_forward: int,
    flow_hidden: int,
    upsample_channels: int,
) -> AcousticNetwork:
    """Stage two in these sizes, with the weights of the most important units; weight norm is folded in both.

    upsample_channels: of the first stage of the vocoder; those of the others are halves of the ones before.
    """
    config = network.config
    stages, blocks = len(config.upsample_rates), len(config.block_kernels)
    layout = vits_layout(stages, blocks)
    scores = importance(network, layout, _outputs(network, samples))
    kept = {}
    for name, score in scores.items():
        kind, _, where = name.partition(" ")
        stage = int(where.partition(".")[0]) if kind in ("stage", "inner") else 0
        sizes = {"neurons": feed_forward, "stream": flow_hidden, "units": flow_hidden}
        kept[name] = most_important(score, sizes.get(kind, upsample_channels >> stage))
    small = AcousticNetwork(
        replace(
            config,
            feed_forward=feed_forward,
            flow_hidden=flow_hidden,
            upsample_channels=upsample_channels,
        )
    )
    fold_weight_norm(small)
    state = cut(layout, dict(network.named_parameters()), kept)
    small.load_state_dict(state | dict(network.named_buffers()))
    return small.eval()


def speak(network: AcousticNetwork, sample: VitsSample, noise: Tensor) -> Tensor:
    """Samples [1, n] of an utterance; noise: [1, latent, 2 T]."""
    frames = network.prior(sample.tokens, sample.phones, sample.timbre)
    return network.vocode(network.latent(frames, sample.timbre, noise), sample.timbre)


def _outputs(network: AcousticNetwork, samples: Sequence[VitsSample]) -> Iterator[Callable[[], Tensor]]:
    chance = torch.Generator().manual_seed(0)
    for sample in samples:
        tokens = sample.tokens[:, :_LONGEST]
        noise = torch.randn(1, network.config.latent, 2 * tokens.shape[1], generator=chance)

        part = replace(sample, tokens=tokens)

        def output(part: VitsSample = part, noise: Tensor = noise) -> Tensor:
            return speak(network, part, 0.5 * noise)

        yield output
