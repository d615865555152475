"""Reads a compiled MeCab dictionary (sys.dic, unk.dic, matrix.bin, char.bin) into plain arrays."""

import struct
from pathlib import Path

import numpy as np


def entries(path: Path) -> list[tuple[str, int, int, int, int, str]]:
    """(surface, left id, right id, part of speech id, cost, features) in the dictionary's own order of tokens."""
    data = path.read_bytes()
    _, _, _, _, _, _, trie_size, token_size, feature_size, _ = struct.unpack("<10I", data[:40])
    start = 72
    units = np.frombuffer(data[start : start + trie_size], np.int32).reshape(-1, 2)
    base, check = units[:, 0].tolist(), units[:, 1].view(np.uint32).tolist()
    start += trie_size
    token_type = np.dtype(
        [("l", "<u2"), ("r", "<u2"), ("p", "<u2"), ("c", "<i2"), ("f", "<u4"), ("x", "<u4")]
    )
    tokens = np.frombuffer(data[start : start + token_size], token_type)
    features = data[start + token_size : start + token_size + feature_size]
    rows = []
    stack = [(base[0], b"")]
    while stack:
        node, key = stack.pop()
        if node < len(base) and check[node] == node and base[node] < 0:
            value = -base[node] - 1
            for token in tokens[value >> 8 : (value >> 8) + (value & 0xFF)]:
                end = features.index(b"\0", int(token["f"]))
                feature = features[int(token["f"]) : end].decode()
                rows.append(
                    (
                        key.decode(),
                        int(token["l"]),
                        int(token["r"]),
                        int(token["p"]),
                        int(token["c"]),
                        feature,
                    )
                )
        for byte in range(256):
            following = node + byte + 1
            if following < len(base) and check[following] == node:
                stack.append((base[following], key + bytes([byte])))
    return sorted(rows, key=lambda row: row[0])  # stable: tokens of one surface stay in order


def matrix(path: Path) -> np.ndarray:
    """Connection costs int16 [left node's right id, right node's left id]."""
    data = path.read_bytes()
    lefts, rights = struct.unpack("<HH", data[:4])
    return np.frombuffer(data[4:], np.int16).reshape(rights, lefts).T


def characters(path: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """Category names, and (first code point, packed info) for each run of code points of the same info.

    Packed info: bits 0-17 categories, 18-25 default category, 26-29 length, 30 group, 31 invoke.
    """
    data = path.read_bytes()
    (count,) = struct.unpack("<I", data[:4])
    names = [data[4 + 32 * i : 36 + 32 * i].rstrip(b"\0").decode() for i in range(count)]
    infos = np.frombuffer(data[4 + 32 * count :], "<u4")
    starts = np.flatnonzero(np.diff(infos, prepend=infos[0] ^ 1))
    return names, [(int(s), int(infos[s])) for s in starts]
