"""How a model reads a text: joins the text front end to the networks that a bundle may bring for it.

These are BERT (`bert.onnx` and `bert_vocab.txt`), which tells stage one what Chinese words mean, and G2PW, which decides
how Chinese characters with several readings sound: `g2pw.onnx` and its tables under the names that they are published
with, and the same vocabulary.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from timbral.errors import TimbralWarning
from timbral.inference.bert import PhoneFeatures
from timbral.inference.g2pw import open_g2pw
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, Manifest
from timbral.text import Lexicon, Utterance, to_phones, to_utterances, with_mark
from timbral.text.g2p.pronunciation import Polyphones

BERT, VOCABULARY, G2PW = "bert.onnx", "bert_vocab.txt", "g2pw.onnx"


class Frontend:
    """Reads texts for one model. Immutable, and shared by all requests."""

    def __init__(
        self, manifest: Manifest, features: PhoneFeatures | None = None, polyphones: Polyphones | None = None
    ) -> None:
        self.manifest = manifest
        self._features = features
        self._polyphones = polyphones

    @classmethod
    def open(cls, bundle: Bundle, options: SessionOptions) -> "Frontend":
        """Warns where a model that wants to know what Chinese words mean has no BERT to tell it."""
        manifest, features, polyphones = bundle.manifest, None, None
        if BERT in manifest.files:
            features = PhoneFeatures.open(bundle.path(BERT), bundle.path(VOCABULARY), options)
        elif manifest.semantic.bert and "zh" in manifest.languages:
            warnings.warn(
                f"{manifest.name} has no {BERT}: Chinese will have less expression; import the model with BERT",
                TimbralWarning,
                stacklevel=2,
            )
        # The official front end asks G2PW for v2 only; v1 was trained with the readings of dictionaries.
        if G2PW in manifest.files and manifest.symbols == "v2":
            polyphones = open_g2pw(bundle.folder, bundle.path(VOCABULARY), options)
        return cls(manifest, features, polyphones)

    def transcript(self, text: str, language: str) -> Utterance:
        """Phones of what is said in a recording. Raises TextError."""
        manifest = self.manifest
        return to_phones(
            with_mark(text),
            language,
            manifest.symbols,
            manifest.languages,
            self._polyphones,
        )

    def utterances(self, text: str, language: str, lexicon: Lexicon | None = None) -> Iterator[Utterance]:
        """A text of any length in pieces, pronounced as they are asked for. Raises TextError at once.

        lexicon: words with the readings that the user gives them.
        """
        manifest = self.manifest
        return to_utterances(
            text,
            language,
            manifest.symbols,
            manifest.languages,
            manifest.semantic.longest,
            self._polyphones,
            lexicon,
        )

    def features(self, utterance: Utterance) -> NDArray[np.float32] | None:
        """What the words mean, float32 [phones, 1024]; None where the model does not ask, or nothing can tell."""
        if self._features is None:
            return None
        (features,) = self._features([utterance])
        return features
