"""The listening page: one HTML file with its sounds inside, which does not say which model is which.

With a parent it has pairs in random order; without one, single sounds to be rated from 1 to 5.
"""

import base64
import json
import random
from pathlib import Path
from typing import Any

from timbral.audio import Audio, read
from timbral.evaluation.results import Evaluation, Row
from timbral.paths import atomic_write

_MOST = 24
"""Cases on the page, spread over the suite: a listener's patience, and a few MB."""
_PLACE = "DATA"


def write_listening_page(evaluation: Evaluation, path: Path) -> None:
    """Writes the page; the order of each pair follows from the digests of the models."""
    page = Path(__file__).with_name("listening.html").read_text(encoding="utf-8")
    content = json.dumps(_content(evaluation), ensure_ascii=False).replace("<", "\\u003c")
    with atomic_write(path) as part:
        part.write_text(page.replace(_PLACE, content, 1), encoding="utf-8")


def _content(evaluation: Evaluation) -> dict[str, Any]:
    parent = evaluation.parent
    pairs = [(row, other) for row, other in evaluation.pairs() if row.speech and other.speech]
    singles: list[tuple[Row, Row | None]] = [(row, None) for row in evaluation.rows if row.speech]
    chosen = _spread([*pairs] if parent else singles)
    order = random.Random(evaluation.digest + (parent.digest if parent else ""))
    items = []
    for row, other in chosen:
        sounds = [_encoded(evaluation.speech(row))]
        places = [0]
        if parent and other:
            sounds.append(_encoded(parent.speech(other)))
            places = order.sample([0, 1], 2)
        items.append(
            {"case": row.case, "voice": row.voice, "text": row.text, "language": row.language}
            | {"sounds": [sounds[place] for place in places], "order": places}
        )
    order.shuffle(items)
    prompts = {row.voice: Path(row.prompt) for row, _ in chosen}
    return {
        "pairs": parent is not None,
        "models": [evaluation.model, *([evaluation.parent_label] if parent else [])],
        "prompts": {name: _encoded(Audio(*read(path))) for name, path in prompts.items() if path.is_file()},
        "items": items,
    }


def _spread(pairs: list[tuple[Row, Row | None]]) -> list[tuple[Row, Row | None]]:
    return pairs[:: -(-len(pairs) // _MOST)] if pairs else []


def _encoded(sound: Audio) -> str:
    return base64.b64encode(sound.to_bytes("mp3")).decode()
