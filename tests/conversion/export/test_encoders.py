"""The encoders through onnxruntime: what the networks give, for inputs of any length and for batches."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tests.helpers.nets_weights import fill, golden_arrays, random_floats, relative_error
from timbral.conversion.export.encoders import export_bert, export_content, export_speaker
from timbral.inference.sessions import Graph, SessionOptions
from timbral.models.files import BERT, CONTENT, SPEAKER
from timbral.nets.acoustic import FAMILIES, AcousticNetwork
from timbral.nets.bert import Bert, BertConfig
from timbral.nets.eres2net import SpeakerConfig, SpeakerNetwork
from timbral.nets.hubert import Hubert, HubertConfig

HUBERT = HubertConfig(hidden=64, layers=1, heads=4, feed_forward=128, conv_channels=32)
STAGE_TWO = replace(
    FAMILIES["v2"], features=64, codes=128, feed_forward=32, layers=2, upsample_channels=32, posterior=False
)


class Loaded:
    """A graph as the engine opens it; called with tensors, it gives its only output."""

    def __init__(self, path: Path, inputs: tuple[str, ...], output: str) -> None:
        self.graph = Graph(path, inputs, (output,), SessionOptions(device="cpu"))

    def __call__(self, **inputs: Tensor) -> Tensor:
        (output,) = self.graph({name: value.numpy() for name, value in inputs.items()})
        return torch.from_numpy(output)


@torch.inference_mode()
def test_content(tmp_path: Path) -> None:
    hubert, acoustic = Hubert(HUBERT).eval(), AcousticNetwork(STAGE_TWO).eval()
    fill(hubert, seed=8)
    fill(acoustic, seed=2)
    export_content(hubert, acoustic, tmp_path)
    content = Loaded(tmp_path / CONTENT, ("audio",), "tokens")
    heard = set()
    for samples in (720, 16000, 23456):
        audio = random_floats(samples, 1, samples) * 0.1
        expected = acoustic.codes_of(hubert(audio).transpose(1, 2))
        assert expected.shape == (1, ((samples - 400) // 320 + 1) // 2)
        assert torch.equal(content(audio=audio), expected)
        heard |= set(expected[0].tolist())
    assert len(heard) > 10
    assert (tmp_path / CONTENT).stat().st_size < 100_000
    assert b".py" not in (tmp_path / CONTENT).read_bytes(), "nothing of the machine that made it"
    assert any(name.endswith("weight_g") for name in hubert.state_dict()), "the network itself is not changed"


@torch.inference_mode()
def test_speaker(tmp_path: Path) -> None:
    network = SpeakerNetwork(SpeakerConfig(channels=16, blocks=(1, 1, 1, 1), scale=2)).eval()
    fill(network, seed=6)
    export_speaker(network, tmp_path)
    speaker = Loaded(tmp_path / SPEAKER, ("audio",), "speaker")
    audio = golden_arrays("sv_eres2netv2.npz")["wav16k"][None]
    for samples in (400, 7777, 16000):
        expected = network(audio[:, :samples])
        assert relative_error(speaker(audio=audio[:, :samples]), expected) < 1e-3


@torch.inference_mode()
def test_bert(tmp_path: Path) -> None:
    golden = golden_arrays("bert_small.npz")
    network = Bert(BertConfig(vocabulary=300, hidden=64, layers=3, heads=4, feed_forward=128)).eval()
    fill(network, seed=9)
    export_bert(network, tmp_path)
    bert = Loaded(tmp_path / BERT, ("tokens", "lengths"), "features")
    features = bert(tokens=golden["tokens"], lengths=golden["lengths"])
    for row, length in enumerate(golden["lengths"] - 2):
        assert relative_error(features[row, :length], golden["features"][row, :length]) < 1e-3
    tokens = torch.arange(512)[None] % 300
    longest = bert(tokens=tokens, lengths=torch.tensor([512]))
    assert relative_error(longest, network(tokens, torch.tensor([512]))) < 1e-3
