"""Checkpoints to graphs, one network after the other: each is out of memory before the next one is read."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from timbral.conversion.calibration import utterances
from timbral.conversion.chinese_assets import copy_g2pw, write_vocabulary
from timbral.conversion.components import Components, read_network, read_stage_two
from timbral.conversion.export.acoustic import Utterance, export_acoustic
from timbral.conversion.export.encoders import export_bert, export_content, export_speaker
from timbral.conversion.export.mel_acoustic import export_mel_acoustic, export_mel_vocoder
from timbral.conversion.export.precision import Precision
from timbral.conversion.export.semantic import export_semantic
from timbral.conversion.families import MEL_FAMILIES, symbols_of
from timbral.conversion.fingerprint import ENCODERS, Fingerprint, weights_of
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
    """Hashes of the encoders, which voices depend on, and of both stages, which adapters depend on."""

    encoders: str
    weights: str


def convert(
    components: Components, folder: Path, precision: Precision, on_progress: Callable[[str, float], None]
) -> Fingerprints:
    """Writes all files of a model but the manifest into `folder`.

    on_progress: called with the component that is being converted, and the share that is done, 0 to 1.
    """
    conversion = _Conversion(components, folder, precision)
    steps = conversion.steps()
    for number, (component, convert_component) in enumerate(steps):
        on_progress(component, number / len(steps))
        convert_component()
        # The exporter leaves its networks in circles of references.
        gc.collect()
    return Fingerprints(conversion.fingerprint.digest(ENCODERS), "".join(conversion.weights))


class _Conversion:
    def __init__(self, components: Components, folder: Path, precision: Precision) -> None:
        self._components = components
        self._folder = folder
        self._precision: Precision = precision
        self.fingerprint = Fingerprint()
        self.weights: list[str] = []

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Components to convert, by name."""
        components = self._components
        steps: list[tuple[str, Callable[[], None]]] = [
            ("stage one", self._stage_one),
            ("stage two", self._stage_two),
        ]
        if components.vocoder is not None:
            steps.append(("vocoder", self._vocoder))
        if components.speaker is not None:
            steps.append(("speaker network", self._speaker))
        if components.bert is not None:
            steps.append(("BERT", self._bert))
        if components.g2pw is not None:
            steps.append(("G2PW", self._g2pw))
        return steps

    def _stage_one(self) -> None:
        phonemes = SYMBOLS[symbols_of(self._components.version)]
        network = semantic_network(read_network(self._components.semantic), phonemes)
        self.weights.append(weights_of("semantic", network))
        export_semantic(network, self._folder, self._precision)

    def _stage_two(self) -> None:
        stage_two = read_stage_two(self._components)
        family = MEL_FAMILIES.get(self._components.version)
        network = mel_acoustic_network(stage_two) if family else acoustic_network(stage_two)
        del stage_two
        hubert = hubert_network(read_network(self._components.hubert))
        export_content(hubert, network, self._folder, self._precision)
        self.fingerprint.add("hubert", hubert)
        self.fingerprint.add_encoders(network)
        self.weights.append(weights_of("acoustic", network))
        calibration = self._calibration(network, hubert) if isinstance(network, AcousticNetwork) else []
        del hubert
        gc.collect()
        if isinstance(network, AcousticNetwork):
            export_acoustic(network, self._folder, self._precision, calibration)
        else:
            assert family is not None
            export_mel_acoustic(network, family.spectrogram, self._folder, self._precision)

    def _calibration(self, network: AcousticNetwork, hubert: Hubert) -> list[Utterance]:
        """Utterances that calibrate 8-bit convolutions; none where these stay float."""
        if self._precision not in ("int8", "int4"):
            return []
        given = self._components.speaker
        speaker = speaker_network(read_network(given)) if given else None
        return utterances(network, hubert, speaker, symbols_of(self._components.version))

    def _vocoder(self) -> None:
        assert self._components.vocoder is not None
        export_mel_vocoder(
            vocoder_network(read_network(self._components.vocoder)), self._folder, self._precision
        )

    def _speaker(self) -> None:
        assert self._components.speaker is not None
        network = speaker_network(read_network(self._components.speaker))
        self.fingerprint.add("speaker", network)
        export_speaker(network, self._folder, self._precision)

    def _bert(self) -> None:
        assert self._components.bert is not None
        write_vocabulary(self._components.vocabulary, self._folder)
        export_bert(bert_network(read_network(self._components.bert)), self._folder, self._precision)

    def _g2pw(self) -> None:
        assert self._components.g2pw is not None
        copy_g2pw(self._components.g2pw, self._folder)
