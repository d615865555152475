"""What calibration hears: pieces of real speech, in the model's own tokens and timbres."""

import pytest
import torch

from tests.helpers.import_files import ACOUSTIC, SPEAKER
from tests.helpers.nets_weights import fill
from timbral.conversion.calibration import TOKENS, utterances
from timbral.nets.acoustic import AcousticNetwork
from timbral.nets.eres2net import SpeakerNetwork
from timbral.nets.hubert import Hubert, HubertConfig


@pytest.mark.parametrize("family", ["v1", "v2", "v2Pro"])
def test_pieces_of_two_speakers(family: str) -> None:
    config = ACOUSTIC[family]
    network = AcousticNetwork(config).eval()
    hubert = Hubert(HubertConfig(hidden=config.features, layers=1, heads=2, feed_forward=64)).eval()
    speaker = SpeakerNetwork(SPEAKER).eval() if config.speaker else None
    for seed, module in enumerate((network, hubert, speaker)):
        if module is not None:
            fill(module, seed)
    said = utterances(network, hubert, speaker, "v1" if family == "v1" else "v2")
    assert len(said) >= 6
    for tokens, phones, timbre in said:
        assert tokens.shape == (1, TOKENS)
        assert int(tokens.max()) < config.codes
        assert phones.shape[1] > 0
        assert int(phones.max()) < config.phonemes
        assert timbre.shape == (1, config.timbre)
    assert not torch.equal(said[0].timbre, said[-1].timbre)
