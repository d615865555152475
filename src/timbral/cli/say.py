"""`timbral say`: a text in a voice, to a sound file or to stdout."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from timbral.cli import terminal
from timbral.cli.options import Json, Language, Model, find_voice
from timbral.errors import TextError

if TYPE_CHECKING:
    from timbral.inference.stream import Report

_LARGEST_TEXT = 20 << 20

Text = Annotated[str | None, typer.Argument(help="What to say; - reads it from stdin.", show_default=False)]
TextFile = Annotated[Path | None, typer.Option("-f", "--file", help="Read the text from a file in UTF-8.")]
VoiceName = Annotated[
    str, typer.Option("--voice", metavar="NAME|FILE", help="Name, .voice file or recording.")
]
RefText = Annotated[str | None, typer.Option("--ref-text", help="What is said in the recording.")]
Output = Annotated[str, typer.Option("-o", "--output", help=".wav, .flac, .ogg or .mp3; - is wav on stdout.")]
Speed = Annotated[float, typer.Option(help="2 is twice as fast, 0.5 half as fast.")]
Pause = Annotated[float, typer.Option(help="Seconds between sentences.")]
Rate = Annotated[int | None, typer.Option(help="Samples a second: 24000, 32000 or 48000.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same sound; drawn by default.")]
Temperature = Annotated[float | None, typer.Option(help="Lower is steadier, higher livelier.")]
TopK = Annotated[int | None, typer.Option(help="Draw from this many of the likeliest tokens; 0 is all.")]
TopP = Annotated[float | None, typer.Option(help="Draw from the likeliest tokens of this total share.")]
Penalty = Annotated[float | None, typer.Option(help="Above 1 avoids repetitions.")]
Steps = Annotated[int | None, typer.Option(help="Of the solver of v3 and v4; fewer are faster and rougher.")]


def say(
    voice: VoiceName,
    text: Text = None,
    file: TextFile = None,
    ref_text: RefText = None,
    lang: Language = "auto",
    model: Model = None,
    output: Output = "out.wav",
    speed: Speed = 1.0,
    pause: Pause = 0.3,
    rate: Rate = None,
    seed: Seed = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    repetition_penalty: Penalty = None,
    steps: Steps = None,
    json: Json = False,
) -> None:
    """Speak a text in a voice."""
    from timbral import load
    from timbral.audio import check_target, create

    check_target(output)
    words = _read_text(text, file)
    known = find_voice(voice, ref_text)
    began = time.perf_counter()
    with terminal.progress("loading") as bar:
        synthesizer = load(model, languages=())
        loaded = time.perf_counter()
        bar.begin("listening")
        with terminal.quiet_libraries():
            speaker = known or synthesizer.clone(voice, text=ref_text)
        cloned = time.perf_counter()
        bar.begin("speaking")
        stream = synthesizer.stream(
            words,
            speaker,
            lang,
            speed=speed,
            seed=seed,
            pause=pause,
            rate=rate,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            steps=steps,
        )
        with stream, create(output, stream.rate) as writer:
            for chunk in stream:
                writer.write(chunk.samples)
                bar.show(stream.progress)
    report, load_s, voice_s = stream.report, loaded - began, cloned - loaded
    if json:
        values = {"output": output, "model": synthesizer.manifest.name, "rate": stream.rate}
        times = {"load_s": round(load_s, 4), "voice_s": round(voice_s, 4)}
        terminal.print_json({**values, **times, **report.as_dict()}, stdout_taken=output == "-")
    else:
        lines = _in_words(output, report, load_s, voice_s)
        print(lines, file=sys.stderr if output == "-" else sys.stdout)


def _in_words(output: str, report: "Report", load_s: float, voice_s: float) -> str:
    return (
        f"{output}: {report.audio_s:.1f} s of speech in {report.total_s:.2f} s, RTF {report.rtf:.2f}, "
        f"first sound after {report.first_s or 0:.2f} s, seed {report.seed}\n"
        f"load {load_s:.2f} s, voice {voice_s:.2f} s, text {report.text_s:.2f} s, "
        f"semantic {report.prefill_s + report.decode_s:.2f} s, acoustic {report.acoustic_s:.2f} s, "
        f"{report.retries} retries"
    )


def _read_text(text: str | None, file: Path | None) -> str:
    """The text from the argument, the file or stdin: exactly one of them."""
    if (text is None) == (file is None):
        raise TextError("give the text as an argument, or a file with -f, or - for stdin; one of them")
    if file is None and text != "-":
        return text or ""
    try:
        content = sys.stdin.buffer.read(_LARGEST_TEXT + 1) if file is None else _read_file(file)
        if len(content) > _LARGEST_TEXT:
            raise TextError(f"more than {_LARGEST_TEXT >> 20} MB of text; split it into several files")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise TextError(f"{file or 'stdin'}: cannot be read ({error.strerror}); check the path") from None
    except ValueError:
        raise TextError(f"{file or 'stdin'}: not a text in UTF-8; save it as UTF-8 first") from None


def _read_file(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_LARGEST_TEXT + 1)
