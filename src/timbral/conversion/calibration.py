"""Calibration data of stage two: two recordings of speech, encoded by the model itself."""

from pathlib import Path
from typing import Literal

import torch

from timbral.audio import read_reference
from timbral.conversion.export.acoustic import Utterance
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.eres2net import SpeakerNetwork
from timbral.nets.hubert import Hubert
from timbral.nets.spectrogram import TIMBRE, LinearSpectrogram
from timbral.text import to_phones
from timbral.text.segmentation import Language

RECORDINGS: tuple[tuple[str, Language, str], ...] = (
    ("english.flac", "en", "Well, what can't be done by main courage and war must be done by circumvention."),
    ("chinese.flac", "zh", "美国并没有统一的全国高中联赛。"),
)
"""File, language and transcript; sources and licences lie beside the files."""
ENCODER_RATE = 16_000
"""Hz, of HuBERT and the speaker network."""
TOKENS = 20
"""Tokens per utterance: 0.8 s."""


@torch.inference_mode()
def utterances(
    network: AcousticNetwork, hubert: Hubert, speaker: SpeakerNetwork | None, symbols: Literal["v1", "v2"]
) -> list[Utterance]:
    """The recordings in pieces, each with about the phones that it contains and its speaker's timbre."""
    spectrum, found = LinearSpectrogram(TIMBRE), []
    for name, language, text in RECORDINGS:
        path = Path(__file__).with_name("recordings") / name
        sounds = read_reference(path, ENCODER_RATE, TIMBRE.rate).sounds
        audio, full = (torch.from_numpy(sounds[rate])[None] for rate in (ENCODER_RATE, TIMBRE.rate))
        tokens = network.codes_of(hubert(audio).transpose(1, 2))
        timbre = network.timbre(spectrum(full), speaker(audio) if speaker else None)[:, :, 0]
        phones = torch.from_numpy(to_phones(text, language, symbols).ids)[None]
        pieces = tokens.shape[1] // TOKENS
        for piece in range(pieces):
            first, last = (phones.shape[1] * index // pieces for index in (piece, piece + 1))
            found.append(
                Utterance(tokens[:, piece * TOKENS : (piece + 1) * TOKENS], phones[:, first:last], timbre)
            )
    return found
