"""The speaker network of the Pro families against the official one, and Kaldi's features of both."""

import gzip
import json

import torch

from tests.helpers.nets_weights import GOLDENS, fill, golden_arrays, relative_error
from timbral.nets.eres2net import SpeakerConfig, SpeakerNetwork, speaker_state
from timbral.nets.kaldi import KaldiFilterbank


def test_filterbank() -> None:
    golden = golden_arrays("sv_eres2netv2.npz")
    features = KaldiFilterbank()(golden["wav16k"][None])
    assert relative_error(features[0], golden["fbank"]) < 1e-4
    assert KaldiFilterbank()(torch.zeros(2, 400)).shape == (2, 1, 80)


@torch.inference_mode()
def test_embedding() -> None:
    golden = golden_arrays("sv_eres2netv2.npz")
    network = SpeakerNetwork(SpeakerConfig()).eval()
    fill(network, seed=6)
    assert network.config.embedding == golden["sv_emb"].shape[1]
    assert relative_error(network(golden["wav16k"][None]), golden["sv_emb"]) < 1e-4


def test_names_in_checkpoints() -> None:
    manifest = json.loads(gzip.decompress((GOLDENS / "state_dict_manifest.json.gz").read_bytes()))
    checkpoint = {
        name: torch.zeros(shape, dtype=getattr(torch, dtype), device="meta")
        for name, (shape, dtype) in manifest["sv_eres2netv2"].items()
    }
    with torch.device("meta"):
        network = SpeakerNetwork(SpeakerConfig())
    network.load_state_dict(speaker_state(checkpoint), assign=True)
