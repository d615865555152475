"""Opens a published G2PW model, which disambiguates Chinese polyphones."""

from pathlib import Path

from timbral.errors import BundleError
from timbral.inference.sessions import Graph, SessionOptions
from timbral.text.g2p.chinese.g2pw import G2PW, INPUTS, OUTPUT, G2PWTables
from timbral.text.word_pieces import WordPieces

GRAPH = "g2pw.onnx"
"""Name of the graph in a bundle."""
_GRAPHS = ("g2pW.onnx", GRAPH)


def find_graph(folder: Path) -> Path:
    """The graph in the folder of a G2PW model. Raises BundleError where there is none."""
    for name in _GRAPHS:
        if (folder / name).is_file():
            return folder / name
    raise BundleError(f"{folder} has no {_GRAPHS[0]}: give the folder of a G2PW model")


def open_g2pw(folder: Path, vocabulary: Path, options: SessionOptions) -> G2PW:
    """The model in `folder`, which decides on characters with several readings for `timbral.text.g2p.chinese.pronounce`.

    vocabulary: `vocab.txt` or `tokenizer.json` of bert-base-chinese; chinese-roberta-wwm-ext-large has the same.
    Raises BundleError for a folder or vocabulary that is none.
    """
    network = Graph(find_graph(folder), INPUTS, (OUTPUT,), options)
    return G2PW(network, G2PWTables.read(folder), WordPieces.read(vocabulary))
