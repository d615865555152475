"""Embeds the watermark into a sound that comes in chunks."""

import numpy as np
from numpy.typing import NDArray

from timbral.audio.levels import limit
from timbral.audio.watermark.pattern import (
    BANDS,
    BIN,
    BINS_PER_BAND,
    CELL,
    FIRST_BIN,
    PUBLIC_KEY,
    STRENGTHS,
    signs,
)

Samples = NDArray[np.float32]


class WatermarkEmbedder:
    """Embeds the watermark into one sound, chunk by chunk.

    Frames of 20 ms, half overlapping, are multiplied by the pattern's gains in the frequency domain and added
    up again. Up to 20 ms are kept back, the samples are the same however the sound is cut, and silence stays
    silent.
    """

    def __init__(self, rate: int, key: str = PUBLIC_KEY) -> None:
        """rate: of the sound, in Hz. key: of the pattern; see `signs`."""
        self._rate = rate
        self._hop = hop = round(rate / (2 * BIN))
        self._window = np.sqrt(0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop) / hop))
        self._gains = _gains(rate, hop, key)
        self._frame = 0
        self._pending = np.zeros(hop)
        self._overlap = np.zeros(hop)
        self._taken = self._returned = 0

    def push(self, samples: Samples) -> Samples:
        """Takes the next samples float32 [n] and returns those that are final."""
        self._taken += len(samples)
        self._pending = np.concatenate([self._pending, samples])
        count = len(self._pending) // self._hop - 1
        if count < 1:
            return np.zeros(0, np.float32)
        final = self._add_up(self._filtered(count))
        if self._frame == 0:
            final = final[self._hop :]  # before the first sample
        self._frame += count
        self._pending = self._pending[count * self._hop :]
        self._returned += len(final)
        return limit(final.astype(np.float32))

    def finish(self) -> Samples:
        """The rest, so that as many samples came out as went in. Nothing may follow."""
        rest = self._taken - self._returned
        return self.push(np.zeros(3 * self._hop, np.float32))[:rest]

    def _filtered(self, count: int) -> NDArray[np.float64]:
        """The next `count` frames with their gains: [count, 2 × hop]."""
        hop = self._hop
        blocks = self._pending[: (count + 1) * hop].reshape(-1, hop)
        frames = np.concatenate([blocks[:-1], blocks[1:]], axis=1) * self._window
        halves = (self._frame + np.arange(count)) * hop * 2 // round(self._rate * CELL)
        gains = self._gains[halves % len(self._gains)]
        filtered: NDArray[np.float64] = np.fft.irfft(np.fft.rfft(frames) * gains, 2 * hop) * self._window
        return filtered

    def _add_up(self, frames: NDArray[np.float64]) -> NDArray[np.float64]:
        """Overlap-add: the samples [count × hop] that no later frame reaches."""
        hop = self._hop
        tails = np.concatenate([self._overlap[None], frames[:-1, hop:]])
        self._overlap = frames[-1, hop:]
        return (tails + frames[:, :hop]).reshape(-1)


def _gains(rate: int, hop: int, key: str) -> NDArray[np.float64]:
    """Gain of each bin in each half cell of the period: [2 × CELLS, hop + 1]."""
    frequencies = np.arange(hop + 1) * rate / (2 * hop)
    bands = (np.rint(frequencies / BIN).astype(int) - FIRST_BIN) // BINS_PER_BAND
    inside = (bands >= 0) & (bands < BANDS)
    changes = np.repeat(signs(key) * STRENGTHS, 2, axis=0)
    changes[1::2] *= -1
    gains: NDArray[np.float64] = 10 ** (np.where(inside, changes[:, bands % BANDS], 0.0) / 20)
    return gains
