"""The encoders of the official families as graphs: `content` and `speaker` of recordings, `bert` of text.

Each has a file of weights beside it. `content` and `speaker` run once per reference, with float weights in
every precision.

`content.onnx`, `content.weights`
    audio    float32 [1, n]         samples at 16 kHz as they are in the file, n at least 720
  gives
    tokens   int64   [1, T]         semantic tokens, 25 a second; T = ((n - 400) // 320 + 1) // 2

    The official code appends 9600 zeros to a prompt (meant as 0.3 s, at 16 kHz they are 0.6 s), and its models expect
    the tokens of that silence: the caller adds the zeros.

`speaker.onnx`, `speaker.weights`
    audio    float32 [1, n]         samples at 16 kHz within [-1, 1], n at least 400
  gives
    speaker  float32 [1, D]         D is 20480 at the official size

`bert.onnx`, `bert.weights`
    tokens   int64   [B, L]         ids with [CLS] and [SEP] around each text, padded on the right; L at most 512
    lengths  int64   [B]            with the special tokens
  gives
    features float32 [B, L - 2, D]  D is 1024 at the official size; beyond lengths - 2 a row is meaningless
"""

from pathlib import Path

import onnx
import torch
from torch import nn

from timbral.conversion.export.graph import to_graph
from timbral.conversion.export.precision import Precision, encoder_precision
from timbral.conversion.export.weights import write_graphs
from timbral.models import files
from timbral.nets.bert import Bert
from timbral.nets.eres2net import SpeakerNetwork
from timbral.nets.hubert import Hubert
from timbral.nets.normalization import folded_copy
from timbral.nets.prior import PriorNetwork


def export_content(
    hubert: Hubert, acoustic: PriorNetwork, folder: Path, precision: Precision = "fp32"
) -> None:
    """Writes the graph of semantic tokens: HuBERT, then the projection and codebook of stage two."""
    hubert = folded_copy(hubert)
    graph = to_graph(
        nn.ModuleList([hubert, acoustic.ssl_proj, acoustic.quantizer]),
        lambda audio: (acoustic.codes_of(hubert(audio).transpose(1, 2)),),
        {"audio": torch.zeros(1, 16000)},
        ("tokens",),
        {"audio": {1: "samples"}},
    )
    _write(folder, files.CONTENT, graph, encoder_precision(precision))


def export_speaker(network: SpeakerNetwork, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the speaker encoder."""
    graph = to_graph(
        network,
        lambda audio: (network(audio),),
        {"audio": torch.zeros(1, 16000)},
        ("speaker",),
        {"audio": {1: "samples"}},
    )
    _write(folder, files.SPEAKER, graph, encoder_precision(precision))


def export_bert(network: Bert, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the text encoder."""
    graph = to_graph(
        network,
        lambda tokens, lengths: (network(tokens, lengths),),
        {"tokens": torch.zeros(2, 7, dtype=torch.long), "lengths": torch.tensor([7, 6])},
        ("features",),
        {"tokens": {0: "B", 1: "L"}, "lengths": {0: "B"}},
    )
    _write(folder, files.BERT, graph, precision)


def _write(folder: Path, name: str, graph: onnx.ModelProto, precision: Precision) -> None:
    write_graphs(folder, {name: graph}, Path(name).with_suffix(".weights").name, precision)
