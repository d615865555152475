"""Looks for bytes that break a reader, guided by coverage: `python tests/fuzz/fuzz.py voice -max_total_time=60`.

Options behind the target are those of libFuzzer. What breaks a reader is written to `crash-*` in the working folder.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.helpers

with atheris.instrument_imports(include=["timbral"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzzes the target that the first argument names, until an option of libFuzzer ends it."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(target.seeds()):
            (Path(corpus) / str(number)).write_bytes(seed)
        atheris.Setup([sys.argv[0], corpus, *options], target.feed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
