"""Small networks and synthetic recordings for tests of training."""

from dataclasses import replace

import torch

from tests.helpers.import_files import ACOUSTIC, SPEAKER
from tests.helpers.nets_weights import fill
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.discriminators import DiscriminatorConfig
from timbral.nets.semantic import SemanticConfig, SemanticTransformer
from timbral.nets.spectrogram import TIMBRE
from timbral.training.acoustic_examples import AcousticExample
from timbral.training.semantic import SemanticExample

JUDGES = DiscriminatorConfig(
    periods=(2, 3),
    scale_channels=(4, 8),
    scale_kernels=(15, 41),
    scale_strides=(1, 4),
    scale_groups=(1, 4),
    period_channels=(4, 8),
)
TOKENS = 20


def semantic(bert: bool = False, dropout: float = 0.0) -> SemanticTransformer:
    """Stage one in small, with weights by the recipe of the goldens."""
    config = SemanticConfig(
        hidden=32, layers=2, heads=2, feed_forward=64, bert=bert, dropout=dropout, attention_dropout=dropout
    )
    made = SemanticTransformer(config)
    fill(made, 1)
    return made


def spoken(count: int = 8, bert: bool = False) -> list[SemanticExample]:
    """Recordings of different lengths, with a plausible number of phones."""
    chance = torch.Generator().manual_seed(3)
    lengths = [20 + 5 * (number % 4) for number in range(count)]
    return [
        SemanticExample(
            torch.randint(0, 732, (length // 2,), generator=chance),
            torch.randint(0, 50, (length,), generator=chance),
            torch.randn(length // 2, 1024, generator=chance).half() if bert else None,
        )
        for length in lengths
    ]


def acoustic(family: str = "v2", *, quantizers: int = 1) -> AcousticNetwork:
    """Stage two in small, with a posterior encoder; its first weights, so that the divergence is moderate."""
    torch.manual_seed(0)
    network = AcousticNetwork(replace(ACOUSTIC[family], posterior=True, quantizers=quantizers))
    for layer in network.quantizer.vq.layers:
        torch.nn.init.normal_(layer._codebook.embed)
        if quantizers == 1:
            layer._codebook.inited.fill_(1)
    return network


def sounded(count: int = 2, family: str = "v2", content: bool = False) -> list[AcousticExample]:
    """Recordings of 0.8 s: hums of different pitch."""
    chance = torch.Generator().manual_seed(4)
    time = torch.arange(2 * TOKENS * TIMBRE.hop) / TIMBRE.rate
    return [
        AcousticExample(
            samples=0.3 * torch.sin(2 * torch.pi * (150 + 30 * number) * time)
            + 0.01 * torch.randn(len(time), generator=chance),
            phones=torch.randint(0, 300, (7,), generator=chance),
            tokens=torch.randint(0, 1024, (TOKENS,), generator=chance),
            speaker=torch.randn(SPEAKER.embedding, generator=chance) if "Pro" in family else None,
            content=torch.randn(64, TOKENS, generator=chance) if content else None,
        )
        for number in range(count)
    ]
