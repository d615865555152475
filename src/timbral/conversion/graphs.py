"""Checkpoints to graphs, one network after the other: each is out of memory before the next one is read."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from timbral.conversion.calibration import utterances
from timbral.conversion.companions import copy_g2pw, write_vocabulary
from timbral.conversion.components import Parts, read_again, read_stage_two
from timbral.conversion.export.acoustic import Utterance, export_acoustic
from timbral.conversion.export.encoders import export_bert, export_content, export_speaker
from timbral.conversion.export.mel_acoustic import export_mel_acoustic, export_mel_vocoder
from timbral.conversion.export.precision import Precision
from timbral.conversion.export.semantic import export_semantic
from timbral.conversion.families import MEL_FAMILIES, symbols_of
from timbral.conversion.fingerprint import HEARING, Fingerprint, weights_of
from timbral.conversion.networks import (
    acoustic_network,
    bert_network,
    hubert_network,
    mel_acoustic_network,
    semantic_network,
    speaker_network,
    vocoder_network,
)
from timbral.models.manifest import SYMBOLS
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.hubert import Hubert


class Fingerprints(NamedTuple):
    """What tells the voices of a model from others', and the voices that were fine-tuned on it."""

    hearing: str
    weights: str


def convert(
    parts: Parts, folder: Path, precision: Precision, on_progress: Callable[[str, float], None]
) -> Fingerprints:
    """Writes all files of a model but the manifest into `folder`.

    tell: is told what is being converted, and how much is done, 0 to 1.
    """
    conversion = _Conversion(parts, folder, precision)
    works = conversion.works()
    for number, (what, work) in enumerate(works):
        on_progress(what, number / len(works))
        work()
        # The exporter leaves its networks in circles of references.
        gc.collect()
    return Fingerprints(conversion.fingerprint.digest(HEARING), "".join(conversion.weights))


class _Conversion:
    def __init__(self, parts: Parts, folder: Path, precision: Precision) -> None:
        self._parts = parts
        self._folder = folder
        self._precision: Precision = precision
        self.fingerprint = Fingerprint()
        self.weights: list[str] = []

    def works(self) -> list[tuple[str, Callable[[], None]]]:
        """What there is to do, with what it is called."""
        parts = self._parts
        works: list[tuple[str, Callable[[], None]]] = [
            ("stage one", self._stage_one),
            ("stage two", self._stage_two),
        ]
        if parts.vocoder is not None:
            works.append(("vocoder", self._vocoder))
        if parts.speaker is not None:
            works.append(("speaker network", self._speaker))
        if parts.bert is not None:
            works.append(("BERT", self._bert))
        if parts.g2pw is not None:
            works.append(("G2PW", self._g2pw))
        return works

    def _stage_one(self) -> None:
        phonemes = SYMBOLS[symbols_of(self._parts.version)]
        network = semantic_network(read_again(self._parts.semantic), phonemes)
        self.weights.append(weights_of("semantic", network))
        export_semantic(network, self._folder, self._precision)

    def _stage_two(self) -> None:
        stage_two = read_stage_two(self._parts)
        family = MEL_FAMILIES.get(self._parts.version)
        network = mel_acoustic_network(stage_two) if family else acoustic_network(stage_two)
        del stage_two
        hubert = hubert_network(read_again(self._parts.hubert))
        export_content(hubert, network, self._folder, self._precision)
        self.fingerprint.add("hubert", hubert)
        self.fingerprint.add_hearing(network)
        self.weights.append(weights_of("acoustic", network))
        said = self._calibration(network, hubert) if isinstance(network, AcousticNetwork) else []
        del hubert
        gc.collect()
        if isinstance(network, AcousticNetwork):
            export_acoustic(network, self._folder, self._precision, said)
        else:
            assert family is not None
            export_mel_acoustic(network, family.spectrogram, self._folder, self._precision)

    def _calibration(self, network: AcousticNetwork, hubert: Hubert) -> list[Utterance]:
        """What stage two says while its convolutions are made 8-bit; nothing where they stay float."""
        if self._precision not in ("int8", "int4"):
            return []
        part = self._parts.speaker
        speaker = speaker_network(read_again(part)) if part else None
        return utterances(network, hubert, speaker, symbols_of(self._parts.version))

    def _vocoder(self) -> None:
        assert self._parts.vocoder is not None
        export_mel_vocoder(vocoder_network(read_again(self._parts.vocoder)), self._folder, self._precision)

    def _speaker(self) -> None:
        assert self._parts.speaker is not None
        network = speaker_network(read_again(self._parts.speaker))
        self.fingerprint.add("speaker", network)
        export_speaker(network, self._folder, self._precision)

    def _bert(self) -> None:
        assert self._parts.bert is not None
        write_vocabulary(self._parts.vocabulary, self._folder)
        export_bert(bert_network(read_again(self._parts.bert)), self._folder, self._precision)

    def _g2pw(self) -> None:
        assert self._parts.g2pw is not None
        copy_g2pw(self._parts.g2pw, self._folder)
