"""Trains sovits-tiny from a corpus: all steps of this folder in order, each of which resumes.

    python run.py CORPUS WORK SITE_PACKAGES [--device cuda] [--minutes 30] [--kokoro KOKORO --text TEXT --sentences 20000]

CORPUS holds lists (NAME.jsonl) and their recordings; SITE_PACKAGES is where the teachers are installed. WORK
gets features, alignment, codebook, runs with curves, and the bundle in WORK/sovits-tiny. After --minutes the
trainings stop and the bundle is built of the weights so far; the same command resumes. With --kokoro (the
folder of kokoro.py), sentences are synthesized first, and Kokoro predicts the phone durations of more. With
--candidates, stage one is trained on its own best candidates after the other trainings.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from runs import DEVICES, WEIGHTS, open_device

HERE = Path(__file__).resolve().parent
SYNTHESIZERS = 4
"""Processes of Kokoro on one GPU."""
LARGE = {
    "acoustic": ("--batch", 64, "--tokens", 64),
    "semantic": ("--positions", 24_000),
    "content": ("--batch", 64),
}
"""Batches for a GPU."""
ALL = 1_000_000
LATE = "time is up: run the same command again to resume"
NO_ADVERSARY = 4
"""The discriminators of stage two are added after one in so many of its steps."""
Step = subprocess.Popen[bytes]


class Recipe:
    """The steps of the recipe and the files that they pass on."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.until = time.monotonic() + 60 * args.minutes
        self.work, self.site = args.work.resolve(), args.site_packages.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.on_gpu = open_device(args.device).type == "cuda"
        self.device = ("--device", "cuda" if self.on_gpu else "cpu")
        self.features, self.pack, self.runs = (self.work / name for name in ("features", "pack", "runs"))
        self.alignment, self.codebook, self.pairs = (
            self.work / f"{name}.npz" for name in ("alignment", "codebook", "pairs")
        )
        self.aligner = self.work / "aligner.safetensors"
        self.durations, self.bundle = self.work / "durations", self.work / "sovits-tiny"

    def start(self, script: str, *arguments: object, threads: int | None = None) -> Step:
        print("·", script, *arguments, flush=True)
        # Threads that spin while they wait are many times slower on busy cores.
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        if threads:
            environment["OMP_NUM_THREADS"] = str(threads)
        command = [sys.executable, HERE / script, *map(str, arguments)]
        return subprocess.Popen(command, cwd=HERE, env=environment)

    def finish(self, *steps: Step, limited: bool = True) -> None:
        """Waits for steps; exits if one fails, or at the end of the time if it is limited."""
        try:
            timeouts = [max(0.0, self.until - time.monotonic()) if limited else None for _ in steps]
            codes = [step.wait(timeout) for step, timeout in zip(steps, timeouts, strict=True)]
        except subprocess.TimeoutExpired:
            for step in steps:
                step.terminate()
            for step in steps:
                step.wait()
            sys.exit(LATE)
        if any(codes):
            sys.exit("a step failed: see above, then run the same command again to resume")

    def run(self, script: str, *arguments: object) -> None:
        self.finish(self.start(script, *arguments))

    def synthesize(self) -> list[Path]:
        """Synthesizes sentences and predicts durations with Kokoro. Returns the lists of the sentences."""
        kokoro, text = self.args.kokoro.resolve(), self.args.text.resolve()
        cores = os.cpu_count() or 1
        for script, out, most, count, device in (
            (
                "synthesize.py",
                self.work / "synthetic",
                self.args.sentences,
                SYNTHESIZERS if self.on_gpu else cores,
                self.device,
            ),
            ("durations.py", self.durations, self.args.timed, cores, ()),
        ):
            shared = (kokoro, text, out, "--most", most, *device)
            self.finish(
                *(self.start(script, *shared, "--shard", f"{i}/{count}", threads=1) for i in range(count))
            )
        return sorted((self.work / "synthetic").glob("*.jsonl"))

    def prepare(self, lists: list[Path]) -> None:
        """Makes features, tokens and training data of all lists."""
        for more in ((), ("--warp", "--most", self.args.warped)):
            self.run("features.py", self.site, self.features, *lists, *more, *self.device)
        degraded = ("--degraded", ALL) if self.on_gpu else ()
        sources = (self.features, self.codebook, self.pairs, self.aligner, self.site)
        semantic = self.runs / "semantic"
        for made, needed, step in (
            (self.alignment, None, ("align.py", self.features, self.alignment, *self.device)),
            (
                self.pairs,
                None,
                ("tokens.py", self.features, self.alignment, self.codebook, self.pairs, *self.device),
            ),
            (self.aligner, None, ("aligner.py", self.pairs, self.aligner)),
            (self.pack, None, ("pack.py", *sources, self.pack, *degraded, *self.device)),
            (self.pack / "warped_speaker.npy", None, ("envelopes.py", self.pack, self.site)),
            (
                self.pack / "sampled_phones.npy",
                semantic / WEIGHTS,
                ("sampled_tokens.py", self.pack, self.pairs, self.aligner, semantic, *self.device),
            ),
        ):
            if not made.exists() and (needed is None or needed.exists()):
                self.run(*step)

    @property
    def hours(self) -> tuple[str, float]:
        return "--hours", max(0.0, self.until - time.monotonic()) / 3600

    def train(self) -> None:
        """Runs all trainings side by side."""
        if time.monotonic() > self.until:
            sys.exit(LATE)
        args, runs = self.args, self.runs
        same = (*self.hours, *self.device)
        compiled = ("--compile",) if args.compile else ()
        arguments = {
            "acoustic": (
                *(self.pack, runs / "acoustic", self.site, "--steps", args.acoustic_steps),
                *("--adversary-from", args.acoustic_steps // NO_ADVERSARY),
            ),
            "semantic": (self.pairs, runs / "semantic", "--steps", args.semantic_steps),
            "content": (self.pack, runs / "content", "--steps", args.content_steps),
        }
        threads = max(1, (os.cpu_count() or 1) // 3)
        steps = [
            self.start(
                f"train_{name}.py",
                *(*own, *(LARGE[name] if self.on_gpu else ()), *same, *compiled),
                threads=threads,
            )
            for name, own in arguments.items()
        ]
        durations = (self.durations, self.pairs, runs / "durations", *same)
        self.finish(*steps, self.start("train_durations.py", *durations, threads=1), limited=False)
        self.finish(
            self.start("train_pace.py", self.pack, self.pairs, runs, *self.hours, *self.device), limited=False
        )

    def build(self) -> None:
        resemblyzer = self.site / "resemblyzer/pretrained.pt"
        built = self.start("build.py", self.runs, self.pairs, self.aligner, resemblyzer, self.bundle)
        self.finish(built, limited=False)

    def prefer(self) -> None:
        """Trains stage one on its best candidates."""
        candidates, recogniser = self.work / "candidates", self.alignment.with_suffix(".run")
        sources = (self.args.text.resolve(), recogniser, self.site, self.pack, candidates)
        self.run("candidates.py", self.bundle, *sources, "--utterances", self.args.candidates, *self.device)
        runs = (self.runs / "semantic", self.runs / "preferred")
        preference = ("train_preference.py", candidates, self.pairs, *runs, *self.hours, *self.device)
        self.finish(self.start(*preference), limited=False)


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
    parser.add_argument("--sentences", type=int, default=20_000, help="of --text, to synthesize")
    parser.add_argument("--timed", type=int, default=20_000, help="of --text, to predict durations of")
    parser.add_argument(
        "--candidates", type=int, default=0, help="utterances of --text to sample candidates of"
    )
    parser.add_argument("--warped", type=int, default=600, help="utterances of each list that are warped")
    parser.add_argument("--semantic-steps", type=int, default=3600)
    parser.add_argument("--acoustic-steps", type=int, default=3200)
    parser.add_argument("--content-steps", type=int, default=4000)
    args = parser.parse_args()
    if (args.kokoro or args.candidates) and not args.text:
        parser.error("--kokoro and --candidates need --text")
    recipe = Recipe(args)
    lists = sorted(path.resolve() for path in args.corpus.glob("*.jsonl"))
    if args.kokoro:
        lists += recipe.synthesize()
    recipe.prepare(lists)
    recipe.train()
    recipe.build()
    if args.candidates:
        recipe.prefer()
        recipe.build()


if __name__ == "__main__":
    main()
