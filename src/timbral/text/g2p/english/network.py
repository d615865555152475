"""Sounds out words that are in no dictionary, letter by letter, with the small network of g2p_en.

A GRU reads the letters and a second one writes ARPAbet phones greedily (g2p_en 2.1.0 by Kyubyong Park and
Jongseok Kim, Apache-2.0; weights in data/en_letters_to_sounds.npz, stored as float16).
"""

from functools import cache
from typing import Any

import numpy as np

from timbral.text.resources import read_arrays

_GRAPHEMES = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
_PHONEME_NAMES = (
    "<pad> <unk> <s> </s> AA0 AA1 AA2 AE0 AE1 AE2 AH0 AH1 AH2 AO0 AO1 AO2 AW0 AW1 AW2 AY0 AY1 AY2 B CH D "
    "DH EH0 EH1 EH2 ER0 ER1 ER2 EY0 EY1 EY2 F G HH IH0 IH1 IH2 IY0 IY1 IY2 JH K L M N NG OW0 OW1 OW2 OY0 "
    "OY1 OY2 P R S SH T TH UH0 UH1 UH2 UW UW0 UW1 UW2 V W Y Z ZH"
)
_PHONEMES = _PHONEME_NAMES.split()
_START, _END = _PHONEMES.index("<s>"), _PHONEMES.index("</s>")
_MOST_PHONES = 20

_Array = np.ndarray[Any, np.dtype[np.float32]]


@cache
def _weights() -> dict[str, _Array]:
    return {name: array.astype(np.float32) for name, array in read_arrays("en_letters_to_sounds.npz").items()}


def _gru_step(layer: str, x: _Array, h: _Array) -> _Array:
    """One step of the GRU named `layer` ("enc" or "dec").

    Input x [256] and state h [256] give the next state.
    """
    weights = _weights()
    size = h.shape[0]
    gates_x = weights[f"{layer}_w_ih"] @ x + weights[f"{layer}_b_ih"]
    gates_h = weights[f"{layer}_w_hh"] @ h + weights[f"{layer}_b_hh"]
    reset, update = np.split(1 / (1 + np.exp(-(gates_x[: 2 * size] + gates_h[: 2 * size]))), 2)
    new = np.tanh(gates_x[2 * size :] + reset * gates_h[2 * size :])
    state: _Array = (1 - update) * new + update * h
    return state


def sound_out(word: str) -> tuple[str, ...]:
    """At most 20 ARPAbet phones for a lower-case word; a phone may be "<unk>"."""
    weights = _weights()
    unknown = _GRAPHEMES.index("<unk>")
    letters = [_GRAPHEMES.index(letter) if letter in _GRAPHEMES else unknown for letter in word]
    state = np.zeros(weights["enc_w_hh"].shape[1], np.float32)
    for letter in [*letters, _GRAPHEMES.index("</s>")]:
        state = _gru_step("enc", weights["enc_emb"][letter], state)
    phones: list[str] = []
    phone = _START
    for _ in range(_MOST_PHONES):
        state = _gru_step("dec", weights["dec_emb"][phone], state)
        phone = int(np.argmax(weights["fc_w"] @ state + weights["fc_b"]))
        if phone == _END:
            break
        phones.append(_PHONEMES[phone])
    return tuple(phones)
