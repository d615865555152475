"""Assets of the Chinese front end: the vocabulary of BERT, and a G2PW model as it is published."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from timbral.errors import CheckpointError
from timbral.inference.g2pw import find_graph, open_g2pw
from timbral.inference.sessions import SessionOptions
from timbral.models import files
from timbral.text.g2p.chinese.g2pw import TABLES
from timbral.text.word_pieces import WordPieces, read_vocabulary


def read_bert_vocabulary(path: Path, size: int) -> tuple[str, ...]:
    """The tokens of a BERT in the order of their ids, of which there are `size`.

    Raises CheckpointError, BundleError.
    """
    ids = read_vocabulary(path)
    WordPieces(ids)
    tokens = sorted(ids, key=ids.__getitem__)
    if sorted(ids.values()) != list(range(size)) or any("\n" in token for token in tokens):
        raise CheckpointError(
            f"{path} has {len(tokens)} tokens where its network has {size}; give the files of one model"
        )
    return tuple(tokens)


def write_vocabulary(tokens: Sequence[str], folder: Path) -> None:
    """Writes a token a line, the n-th with the id n."""
    (folder / files.BERT_VOCABULARY).write_bytes("".join(f"{token}\n" for token in tokens).encode())


def check_g2pw(folder: Path, vocabulary: Path) -> None:
    """Raises BundleError where there is no G2PW model that onnxruntime can run in the folder."""
    open_g2pw(folder, vocabulary, SessionOptions(device="cpu"))


def copy_g2pw(source: Path, folder: Path) -> None:
    """Copies the graph, which keeps its precision, and the tables of a G2PW model."""
    shutil.copyfile(find_graph(source), folder / files.G2PW)
    for table in TABLES:
        shutil.copyfile(source / table, folder / table)
