"""BERT features of phones: a row a phone, zeros for other languages, kept and read again."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.nets_weights import GOLDENS, fill
from timbral.conversion.export.encoders import export_bert
from timbral.inference.bert import BertEncoder, PhoneFeatures
from timbral.inference.lru_cache import ArrayCache
from timbral.inference.sessions import SessionOptions
from timbral.models.files import BERT
from timbral.nets.bert import Bert, BertConfig
from timbral.text import to_phones
from timbral.text.word_pieces import WordPieces

VOCABULARY: list[str] = json.loads((GOLDENS / "word_pieces.json").read_text("utf-8"))["vocabulary"]
PIECES = WordPieces({token: at for at, token in enumerate(VOCABULARY)})
CPU = SessionOptions(device="cpu")


@pytest.fixture(scope="module")
def network() -> Bert:
    config = BertConfig(vocabulary=len(VOCABULARY), hidden=64, layers=2, heads=4, feed_forward=128)
    bert = Bert(config).eval()
    fill(bert, seed=9)
    return bert


@pytest.fixture(scope="module")
def graph(network: Bert, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    export_bert(network, folder)
    return folder / BERT


@torch.inference_mode()
def read(network: Bert, text: str) -> np.ndarray:
    """Features [tokens, D] of a text that is read alone."""
    ids = torch.from_numpy(PIECES(text).ids)[None]
    features: np.ndarray = network(ids, torch.tensor([ids.shape[1]]))[0].numpy()
    return features


def test_each_phone_has_the_features_of_its_character(network: Bert, graph: Path) -> None:
    phones = PhoneFeatures(PIECES, BertEncoder.open(graph, CPU))
    utterances = [
        to_phones("他说hello world的时候，我们看到了。"),
        to_phones("你好！"),
        to_phones("Good morning."),
    ]
    for utterance, features in zip(utterances, phones(utterances), strict=True):
        assert features.shape == (len(utterance.ids), 64)
        at = 0
        for segment in utterance.segments:
            here = features[at : at + len(segment.phones)]
            at += len(segment.phones)
            if segment.language == "zh":
                expected = np.repeat(read(network, segment.text), segment.word2ph, axis=0)
                np.testing.assert_allclose(here, expected, atol=1e-4)
            else:
                assert not here.any()
    assert [len(utterance.segments) for utterance in utterances] == [3, 1, 1]


def test_a_text_longer_than_bert_reads(network: Bert, graph: Path) -> None:
    text = "你说的是这个人不是我，" * 60
    (features,) = BertEncoder.open(graph, CPU)([PIECES(text).ids])
    half = len(text) // 2
    expected = np.concatenate([read(network, text[:half]), read(network, text[half:])])
    np.testing.assert_allclose(features, expected, atol=1e-4)


def test_what_was_read_is_kept_and_read_once(graph: Path) -> None:
    texts = BertEncoder.open(graph, CPU)
    ids = [PIECES(text).ids for text in ("你好", "我们", "你好", "")]
    first = texts(ids)
    assert [len(features) for features in first] == [2, 2, 2, 0]
    assert first[0] is first[2]
    assert texts(ids[:1])[0] is first[0]
    with pytest.raises(ValueError, match="read-only"):
        first[0][:] = 0


def test_a_text_reads_the_same_alone_and_among_others(graph: Path) -> None:
    ids = [PIECES(text).ids for text in ("你好，我们说的是什么？", "他说了", "人")]
    together = BertEncoder.open(graph, CPU)(ids)
    for text, features in zip(ids, together, strict=True):
        assert np.array_equal(BertEncoder.open(graph, CPU)([text])[0], features)


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache = ArrayCache(capacity=3 * 40)
    arrays = {key: np.zeros(10, np.float32) for key in (b"a", b"b", b"c", b"d")}
    for key in (b"a", b"b", b"c"):
        cache.put(key, arrays[key])
    assert cache.get(b"a") is arrays[b"a"]
    cache.put(b"d", arrays[b"d"])
    assert cache.get(b"b") is None
    assert all(cache.get(key) is arrays[key] for key in (b"a", b"c", b"d"))
    cache.put(b"large", np.zeros(31, np.float32))
    assert cache.get(b"large") is None
