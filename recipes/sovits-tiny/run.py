"""Makes sovits-tiny from a corpus, end to end: every step of this folder in its order, each going on where it stopped.

    python run.py CORPUS WORK SITE_PACKAGES [--device cuda] [--minutes 30] [--kokoro KOKORO --text TEXT --sentences 20000]

CORPUS holds lists (NAME.jsonl) and what they list; SITE_PACKAGES is where the teachers are installed. WORK gets everything:
features, alignment, codebook, the runs with curves, and the bundle in WORK/sovits-tiny. After --minutes the trainings
stop, and the bundle is built of what they have learned; the same command goes on. With --kokoro (the folder that kokoro.py makes)
it first speaks sentences to learn from, and says of more how long it would speak each phone. With --pieces, when the trainings
are over, stage one learns from its own best takes.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from runs import DEVICES, open_device

HERE = Path(__file__).resolve().parent
SPEAKERS = 4
"""Processes that speak on one GPU."""
LARGE = {
    "acoustic": ("--batch", 64, "--tokens", 64),
    "semantic": ("--positions", 24_000),
    "content": ("--batch", 64),
}
"""Batches for a GPU."""
ALL = 1_000_000
LATE = "time is up: run the same command again to go on"
ALONE = 4
"""Stage two learns alone for one in so many of its steps; then it has an adversary."""


def start(script: str, *arguments: object, threads: int | None = None) -> subprocess.Popen[bytes]:
    print("·", script, *arguments, flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)} if threads else None
    command = [sys.executable, HERE / script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=HERE, env=environment)


def finish(*steps: subprocess.Popen[bytes], until: float | None = None) -> None:
    """Wait for steps; stop where one failed, or where the clock says so."""
    try:
        codes = [step.wait(None if until is None else max(0.0, until - time.monotonic())) for step in steps]
    except subprocess.TimeoutExpired:
        for step in steps:
            step.terminate()
        for step in steps:
            step.wait()
        sys.exit(LATE)
    if any(codes):
        sys.exit("a step failed: see above, then run the same command again to go on")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("site_packages", type=Path)
    parser.add_argument("--minutes", type=float, default=240, help="until the trainings stop, in this call")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--compile", action="store_true", help="compile the networks that are trained")
    parser.add_argument("--kokoro", type=Path)
    parser.add_argument("--text", type=Path, help="folder of en.txt, zh.txt and ja.txt")
    parser.add_argument("--sentences", type=int, default=20_000, help="for --kokoro to speak, from --text")
    parser.add_argument(
        "--timed", type=int, default=20_000, help="of --text, of which it tells the durations"
    )
    parser.add_argument("--pieces", type=int, default=0, help="of --text, to be spoken in several takes")
    parser.add_argument("--warped", type=int, default=600, help="utterances of each list that are warped")
    parser.add_argument("--semantic-steps", type=int, default=3600)
    parser.add_argument("--acoustic-steps", type=int, default=3200)
    parser.add_argument("--content-steps", type=int, default=4000)
    args = parser.parse_args()
    if (args.kokoro or args.pieces) and not args.text:
        parser.error("sentences are to be spoken: say with --text where they are")
    until = time.monotonic() + 60 * args.minutes
    work, site = args.work.resolve(), args.site_packages.resolve()
    work.mkdir(parents=True, exist_ok=True)
    on_gpu = open_device(args.device).type == "cuda"
    device = ("--device", "cuda" if on_gpu else "cpu")

    lists = sorted(path.resolve() for path in args.corpus.glob("*.jsonl"))
    if args.kokoro:
        count = SPEAKERS if on_gpu else os.cpu_count() or 1
        spoken = (args.kokoro.resolve(), args.text.resolve(), work / "synthetic", "--most", args.sentences)
        shards = [
            start("synthesize.py", *spoken, "--shard", f"{i}/{count}", *device, threads=1)
            for i in range(count)
        ]
        finish(*shards, until=until)
        lists += sorted((work / "synthetic").glob("*.jsonl"))
        timed = (args.kokoro.resolve(), args.text.resolve(), work / "durations", "--most", args.timed)
        cores = os.cpu_count() or 1
        shards = [start("durations.py", *timed, "--shard", f"{i}/{cores}", threads=1) for i in range(cores)]
        finish(*shards, until=until)
    features, alignment, codebook, pairs, listener, pack, runs = (
        work / name
        for name in (
            "features",
            "alignment.npz",
            "codebook.npz",
            "pairs.npz",
            "listener.safetensors",
            "pack",
            "runs",
        )
    )
    finish(start("features.py", site, features, *lists, *device), until=until)
    warped = ("--warp", "--most", args.warped)
    finish(start("features.py", site, features, *lists, *warped, *device), until=until)
    if not alignment.exists():
        finish(start("align.py", features, alignment, *device), until=until)
    if not pairs.exists():
        finish(start("tokens.py", features, alignment, codebook, pairs, *device), until=until)
    if not listener.exists():
        finish(start("listener.py", pairs, listener), until=until)
    if not pack.exists():
        worse = ("--worse", ALL) if on_gpu else ()
        finish(
            start("pack.py", features, codebook, pairs, listener, site, pack, *worse, *device), until=until
        )

    if not (pack / "warped_speaker.npy").exists():
        finish(start("envelopes.py", pack, site), until=until)

    if (runs / "semantic" / "last.pt").exists() and not (pack / "misled.npy").exists():
        finish(start("guesses.py", pack, pairs, listener, runs / "semantic", *device), until=until)

    if time.monotonic() > until:
        sys.exit(LATE)
    acoustic = (pack, runs / "acoustic", site, "--steps", args.acoustic_steps)
    acoustic += ("--adversary-from", args.acoustic_steps // ALONE)
    semantic = (pairs, runs / "semantic", "--steps", args.semantic_steps)
    content = (pack, runs / "content", "--steps", args.content_steps)
    if on_gpu:
        acoustic += LARGE["acoustic"]
        semantic += LARGE["semantic"]
        content += LARGE["content"]
    same = ("--hours", max(0.0, until - time.monotonic()) / 3600, *device)
    same += ("--compile",) if args.compile else ()
    threads = max(1, (os.cpu_count() or 1) // 3)
    finish(
        start("train_acoustic.py", *acoustic, *same, threads=threads),
        start("train_semantic.py", *semantic, *same, threads=threads),
        start("train_content.py", *content, *same, threads=threads),
        start("train_durations.py", work / "durations", pairs, runs / "durations", *same[:4], threads=1),
    )
    bundle, takes, preferred = work / "sovits-tiny", work / "takes", runs / "preferred"
    parts = (runs, pairs, listener, site / "resemblyzer/pretrained.pt", bundle)
    finish(start("build.py", *parts))
    if args.pieces:
        heard = (args.text.resolve(), alignment.with_suffix(".ctc.pt"), site, pack, takes)
        finish(start("takes.py", bundle, *heard, "--pieces", args.pieces, *device), until=until)
        hours = ("--hours", max(0.0, until - time.monotonic()) / 3600)
        finish(
            start("train_preference.py", takes, pairs, runs / "semantic", preferred, *hours, *device),
        )
        finish(start("build.py", *parts))


if __name__ == "__main__":
    main()
