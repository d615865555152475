"""Makes sovits-tiny from a corpus, end to end: every step of this folder in its order, each going on where it stopped.

    python run.py CORPUS WORK SITE_PACKAGES [--hours 1.5]

CORPUS holds lists (NAME.jsonl) and what they list; SITE_PACKAGES is where the
teachers are installed. WORK gets everything: features, alignment, codebook, the three runs with curves, and the bundle in
WORK/sovits-tiny. --hours is the length of each of the two large trainings; they run side by side, a core each.
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def start(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    print("·", script, *arguments, flush=True)
    return subprocess.Popen([sys.executable, HERE / script, *map(str, arguments)], cwd=HERE)


def finish(*steps: subprocess.Popen[bytes]) -> None:
    """Wait for steps; stop where one failed."""
    codes = [step.wait() for step in steps]
    if any(codes):
        sys.exit("a step failed: see above, then run the same command again to go on")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("--hours", type=float, default=1.5, help="of training of stage one and of stage two")
    parser.add_argument("--semantic-steps", type=int, default=3600)
    parser.add_argument("--acoustic-steps", type=int, default=3200)
    parser.add_argument("--content-steps", type=int, default=4000)
    args = parser.parse_args()
    work, site = args.work.resolve(), args.site_packages.resolve()
    work.mkdir(parents=True, exist_ok=True)
    lists = sorted(path.resolve() for path in args.corpus.glob("*.jsonl"))
    features, alignment, codebook, pairs, runs = (
        work / n for n in ("features", "alignment.npz", "codebook.npz", "pairs.npz", "runs")
    )
    finish(start("features.py", site, features, *lists))
    finish(start("features.py", site, features, *lists, "--warp", "--most", 600))
    if not alignment.exists():
        finish(start("align.py", features, alignment))
    if not pairs.exists():
        finish(start("tokens.py", features, alignment, codebook, pairs))
    listener = work / "listener.safetensors"
    if not listener.exists():
        finish(start("listener.py", pairs, listener))
    finish(
        start(
            "train_acoustic.py",
            features,
            codebook,
            pairs,
            listener,
            runs / "acoustic",
            site,
            "--hours",
            args.hours,
            "--steps",
            args.acoustic_steps,
        ),
        start(
            "train_semantic.py",
            pairs,
            runs / "semantic",
            "--hours",
            args.hours,
            "--steps",
            args.semantic_steps,
        ),
    )
    finish(start("train_content.py", features, codebook, runs / "content", "--steps", args.content_steps))
    bundle = work / "sovits-tiny"
    finish(start("build.py", runs, pairs, listener, site / "resemblyzer/pretrained.pt", bundle))


if __name__ == "__main__":
    main()
