"""The networks of the embedded family with fewer units: the most important ones of each dimension are kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from timbral.compression.pruning.axes import cut
from timbral.compression.pruning.importance import importance, most_important
from timbral.compression.pruning.layouts import CONTENT, LATENT, VOCODER
from timbral.nets.content_encoder import ContentConfig, ContentEncoder
from timbral.nets.source_filter import LatentNet, SourceFilterConfig, SourceFilterVocoder

State = dict[str, Tensor]


@dataclass(frozen=True)
class SpokenSample:
    """What stage two speaks, for measuring importance: tokens [1, T], phones [1, T, 2], timbre [1, D]."""

    tokens: Tensor
    phones: Tensor
    timbre: Tensor


def smaller_source_filter(
    latent: LatentNet,
    vocoder: SourceFilterVocoder,
    config: SourceFilterConfig,
    samples: Sequence[SpokenSample],
    token_rows: Callable[[Tensor], Tensor],
) -> tuple[LatentNet, SourceFilterVocoder]:
    """Both networks of stage two in the sizes of `config`.

    token_rows: makes of the embeddings of all tokens those of the smaller vocabulary.
    """
    scores = importance(latent, LATENT, map(partial(_latent_output, latent), samples))
    sounding = importance(vocoder, VOCODER, map(partial(_envelope_output, latent, vocoder), samples))
    channels = most_important(scores["latent"] + sounding["latent"][:-1], config.latent)
    first = {"latent": channels, **_kept(scores, config, ("token_blocks", "frame_blocks"))}
    f0 = torch.tensor([latent.config.latent])
    second = {"latent": torch.cat([channels, f0]), **_kept(sounding, config, ("blocks",))}
    small_latent, small_vocoder = LatentNet(config), SourceFilterVocoder(config)
    state = cut(LATENT, dict(latent.named_parameters()), first)
    state["tokens.weight"] = token_rows(state["tokens.weight"])
    for stem, count in (("token_blocks", config.token_blocks), ("frame_blocks", config.frame_blocks)):
        state = spaced_blocks(state, stem, count)
    small_latent.load_state_dict(state)
    state = cut(VOCODER, dict(vocoder.named_parameters()), second)
    small_vocoder.load_state_dict(spaced_blocks(state, "blocks", config.vocoder_blocks))
    return small_latent, small_vocoder


def _latent_output(latent: LatentNet, sample: SpokenSample) -> Callable[[], Tensor]:
    def output() -> Tensor:
        found, f0 = latent(sample.tokens, sample.timbre, sample.phones)
        return torch.cat([found, torch.log2(f0)[:, None]], 1)

    return output


def _envelope_output(
    latent: LatentNet, vocoder: SourceFilterVocoder, sample: SpokenSample
) -> Callable[[], Tensor]:
    def output() -> Tensor:
        with torch.no_grad():
            found, f0 = latent.speak(sample.tokens, sample.timbre, sample.phones)
        return torch.cat(vocoder.envelope(found, sample.timbre, f0), 2)

    return output


def _kept(scores: Mapping[str, Tensor], config: SourceFilterConfig, stems: Sequence[str]) -> State:
    """Units that are kept, of the residual stream, the condition, and the blocks of these stacks."""
    sizes = {"hidden": config.hidden, "condition": config.condition, "timbre inner": config.condition}
    neurons = config.expansion * config.hidden
    return {
        name: most_important(score, sizes.get(name, neurons))
        for name, score in scores.items()
        if name in sizes or name.removeprefix("neurons ").partition(".")[0] in stems
    }


def smaller_content(
    content: ContentEncoder,
    hidden: int,
    blocks: int,
    sounds: Sequence[Tensor],
    token_rows: Callable[[Tensor], Tensor],
) -> ContentEncoder:
    """The content encoder with fewer channels and blocks. sounds: samples [1, 640 T] at 16 kHz."""

    def outputs() -> Iterator[Callable[[], Tensor]]:
        for audio in sounds:
            yield lambda audio=audio: torch.cat([part.flatten() for part in content(audio)])  # type: ignore[misc]

    scores = importance(content, CONTENT, outputs())
    sizes = {"hidden": hidden, "whole inner": hidden}
    kept = {
        name: most_important(score, sizes.get(name, content.config.expansion * hidden))
        for name, score in scores.items()
    }
    state = spaced_blocks(cut(CONTENT, dict(content.named_parameters()), kept), "blocks", blocks)
    state |= {name: token_rows(state[name]) for name in ("to_tokens.weight", "to_tokens.bias")}
    config: ContentConfig = replace(
        content.config, hidden=hidden, blocks=blocks, vocabulary=len(state["to_tokens.bias"])
    )
    small = ContentEncoder(config)
    small.load_state_dict(state)
    return small


def spaced_blocks(state: Mapping[str, Tensor], stem: str, count: int) -> State:
    """The weights with `count` blocks of a stack, evenly spaced and with the first and the last one."""
    start = f"{stem}."
    numbers = sorted({int(name[len(start) :].split(".")[0]) for name in state if name.startswith(start)})
    chosen = [numbers[round(place)] for place in torch.linspace(0, len(numbers) - 1, count).tolist()]
    if count == 1:
        chosen = numbers[-1:]
    result = {name: weight for name, weight in state.items() if not name.startswith(start)}
    for new, old in enumerate(chosen):
        for name, weight in state.items():
            if name.startswith(f"{start}{old}."):
                result[f"{start}{new}.{name[len(f'{start}{old}.') :]}"] = weight
    return result


def parameters(*networks: nn.Module) -> int:
    """Number of trained weights."""
    return sum(weight.numel() for network in networks for weight in network.parameters())
