"""The official GPT-SoVITS, imported from a checkout and run as it is, with synthetic weights.

Its text front end is left out: what the networks read of it, the sizes of the symbol tables, is stood in for.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.helpers.nets_weights import fill
from timbral.nets.acoustic import FAMILIES

SYMBOLS = {"symbols": 322, "symbols2": 732}
SEMANTIC = {
    "model": {
        "embedding_dim": 512,
        "hidden_dim": 512,
        "head": 16,
        "n_layer": 24,
        "vocab_size": 1025,
        "phoneme_vocab_size": 732,
        "dropout": 0,
        "EOS": 1024,
    }
}
SILENCE = 9600
"""Samples of silence that the official code puts after a prompt."""


def make_importable(checkout: Path) -> None:
    """Puts the checkout on the module path; it must be the only module named `text`, `module` or `AR`."""
    root = checkout / "GPT_SoVITS" if (checkout / "GPT_SoVITS").is_dir() else checkout
    sys.path[:0] = [str(root), str(root / "eres2net"), str(root.parent)]
    text = ModuleType("text")
    for name, count in SYMBOLS.items():
        setattr(text, name, SimpleNamespace(symbols=range(count)))
    sys.modules["text"] = text


def semantic() -> Any:
    """Stage one, without its progress bar, and with an end token that ends nothing."""
    from AR.models import t2s_model

    t2s_model.tqdm = iter
    network = t2s_model.Text2SemanticDecoder(SEMANTIC).eval()
    fill(network, seed=1)
    network.EOS = -1
    return network


def acoustic(family: str) -> Any:
    """Stage two."""
    from module.models import SynthesizerTrn

    config = FAMILIES[family]
    network = SynthesizerTrn(
        spec_channels=config.spectrum_bins,
        segment_size=32,
        inter_channels=192,
        hidden_channels=192,
        filter_channels=768,
        n_heads=2,
        n_layers=6,
        kernel_size=3,
        p_dropout=0.1,
        resblock="1",
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        upsample_rates=[10, 8, 2, 2, 2],
        upsample_initial_channel=config.upsample_channels,
        upsample_kernel_sizes=list(config.upsample_kernels),
        n_speakers=300,
        gin_channels=config.timbre,
        semantic_frame_rate="25hz",
        freeze_quantizer=True,
        version=family,
    ).eval()
    del network.enc_q  # exported checkpoints have none, and their loader drops it
    fill(network, seed=2)
    return network


@dataclass(frozen=True)
class Request:
    """What is to be said, and after whom.

    phones: int64 [1, P], the prompt's first. features: float32 [1, 1024, P]. prompt: int64 [1, T].
    said: phones of the text alone. spectrum: float32 [1, bins, frames] of the reference.
    """

    phones: Tensor
    features: Tensor
    prompt: Tensor
    said: Tensor
    spectrum: Tensor


def tokens_of(network: Any, request: Request) -> Iterator[Tensor]:
    """Semantic tokens [1, 1] as the official loop draws them with its settings, as often as they are asked for."""
    return (  # type: ignore[no-any-return]
        piece
        for piece, _ in network.infer_panel_naive(
            request.phones,
            torch.tensor([request.phones.shape[1]]),
            request.prompt,
            request.features,
            top_k=15,
            top_p=1,
            temperature=1,
            repetition_penalty=1.35,
            streaming_mode=True,
            chunk_length=1,
        )
    )


class Encoders:
    """HuBERT, BERT and ERes2NetV2 at the sizes that the official code loads; random weights take the same time."""

    def __init__(self) -> None:
        from ERes2NetV2 import ERes2NetV2
        from transformers import BertConfig, BertForMaskedLM, HubertConfig, HubertModel

        sizes = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
        self.bert = BertForMaskedLM(BertConfig(vocab_size=21128, intermediate_size=4096, **sizes)).eval()
        self.hubert = HubertModel(HubertConfig()).eval()
        self.speaker = ERes2NetV2(baseWidth=24, scale=4, expansion=4).eval()

    @torch.no_grad()
    def read(self, characters: int) -> Tensor:
        """Features [characters, 1024] of a text."""
        states = self.bert(
            input_ids=torch.full((1, characters + 2), 7), output_hidden_states=True
        ).hidden_states
        return torch.cat(states[-3:-2], -1)[0][1:-1]

    @torch.no_grad()
    def hear(self, audio: Tensor) -> Tensor:
        """Content [1, 768, frames] of a recording [n] at 16 kHz."""
        padded = torch.cat([audio, torch.zeros(SILENCE)])[None]
        content: Tensor = self.hubert(padded).last_hidden_state
        return content.transpose(1, 2)

    @torch.no_grad()
    def recognise(self, audio: Tensor) -> Tensor:
        """Speaker embedding [1, 20480] of a recording [n] at 16 kHz."""
        import kaldi

        bank = kaldi.fbank(audio[None], num_mel_bins=80, sample_frequency=16000, dither=0)
        return self.speaker.forward3(bank[None])  # type: ignore[no-any-return]


@torch.no_grad()
def speak(acoustic: Any, tokens: Tensor, request: Request, speaker: Tensor | None) -> Tensor:
    """Samples [1, 1, n] of tokens [1, T], with the reference heard anew, as the official code does."""
    more = {} if speaker is None else {"sv_emb": [speaker]}
    return acoustic.decode(tokens[None], request.said, [request.spectrum], **more)  # type: ignore[no-any-return]


def say(
    semantic: Any, acoustic: Any, encoders: Encoders, request: Request, audio: Tensor, count: int
) -> Tensor:
    """A whole request by the official page, but for text, files and spectrogram: everything of the voice is computed again.

    audio: the reference [n] at 16 kHz.
    """
    with torch.no_grad():
        acoustic.extract_latent(encoders.hear(audio))
        encoders.read(request.features.shape[2] // 4)
        encoders.read(request.features.shape[2] // 4)
        tokens = torch.cat(list(islice(tokens_of(semantic, request), count)), dim=1)
        speaker = encoders.recognise(audio)
        return speak(acoustic, tokens, request, speaker)
