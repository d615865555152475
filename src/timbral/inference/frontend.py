"""The text front end of a model: text to utterances of phones, with the networks that a bundle may bring for it.

These are BERT, whose features stage one reads for Chinese, and G2PW, which disambiguates Chinese polyphones.
"""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from timbral.errors import TimbralWarning
from timbral.inference.bert import PhoneFeatures
from timbral.inference.g2pw import open_g2pw
from timbral.inference.sessions import SessionOptions
from timbral.models import Bundle, Manifest, files
from timbral.text import Lexicon, Utterance, to_phones, to_utterances, with_mark
from timbral.text.g2p.pronunciation import Polyphones


class Frontend:
    """The text front end of one model. Immutable, shared by all requests."""

    def __init__(
        self,
        manifest: Manifest,
        features: PhoneFeatures | None = None,
        polyphones: Polyphones | None = None,
        lexicon: Lexicon | None = None,
    ) -> None:
        self.manifest = manifest
        self._lexicon = lexicon
        self._features = features
        self._polyphones = polyphones

    @classmethod
    def open(cls, bundle: Bundle, options: SessionOptions) -> "Frontend":
        """Opens what the bundle brings; warns where stage one reads BERT features and there is no BERT."""
        manifest, features, polyphones = bundle.manifest, None, None
        if bundle.has(files.BERT):
            features = PhoneFeatures.open(
                bundle.path(files.BERT), bundle.path(files.BERT_VOCABULARY), options
            )
        elif manifest.semantic.bert and "zh" in manifest.languages:
            warnings.warn(
                f"{manifest.name} has no {files.BERT}: Chinese will have less expression; import the model with BERT",
                TimbralWarning,
                stacklevel=2,
            )
        # The official front end asks G2PW for v2 only; v1 was trained with the readings of dictionaries.
        if bundle.has(files.G2PW) and manifest.symbols == "v2":
            polyphones = open_g2pw(bundle.folder, bundle.path(files.BERT_VOCABULARY), options)
        lexicon = Lexicon.read_if_there(bundle.folder / files.LEXICON)
        return cls(manifest, features, polyphones, lexicon)

    def transcript(self, text: str, language: str, lexicon: Lexicon | None = None) -> Utterance:
        """Phones of what is said in a recording. Raises TextError."""
        manifest = self.manifest
        return to_phones(
            with_mark(text),
            language,
            manifest.symbols,
            manifest.languages,
            polyphones=self._polyphones,
            lexicon=Lexicon.joined(self._lexicon, lexicon),
        )

    def utterances(
        self, text: str, language: str, lexicon: Lexicon | None = None, shortest: float | None = None
    ) -> Iterator[Utterance]:
        """A text of any length in pieces, pronounced as they are asked for; see `to_utterances`. Raises TextError at once.

        lexicon: words with the readings that the user gives them, beside those of the model.
        """
        manifest = self.manifest
        return to_utterances(
            text,
            language,
            manifest.symbols,
            manifest.languages,
            manifest.semantic.longest,
            polyphones=self._polyphones,
            lexicon=Lexicon.joined(self._lexicon, lexicon),
            shortest=shortest,
        )

    def features(self, utterance: Utterance) -> NDArray[np.float32] | None:
        """BERT features float32 [phones, 1024]; None for models without a BERT."""
        if self._features is None:
            return None
        (features,) = self._features([utterance])
        return features
