"""`timbral say`: a text in a voice, to a sound file, to stdout, or to the loudspeaker."""

import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import (
    Device,
    Engine,
    Json,
    Language,
    Model,
    Threads,
    Words,
    complete_voice,
    find_lexicon,
    find_voice,
    load_model,
)
from timbral.cli.spool import Spool, speech_key
from timbral.cli.subtitles import check_subtitles, subtitles_of
from timbral.cli.texts import read_text
from timbral.errors import SettingError

if TYPE_CHECKING:
    from timbral import GenerationConfig, Report, SpeechStream, Synthesizer, Voice
    from timbral.audio import Writer
    from timbral.audio.watermark import WatermarkEmbedder

Text = Annotated[str | None, typer.Argument(help="What to say; - reads it from stdin.", show_default=False)]
TextFile = Annotated[Path | None, typer.Option("-f", "--file", help="Read the text from a file.")]
Encoding = Annotated[
    str | None, typer.Option(help="Of the file; by default UTF-8, UTF-16 or GBK, by its content.")
]
VoiceName = Annotated[
    str | None,
    typer.Option(
        "--voice",
        metavar="NAME|FILE",
        help="Name, .voice file or recording; by default the voice that comes with timbral.",
        autocompletion=complete_voice,
    ),
]
RefText = Annotated[str | None, typer.Option("--ref-text", help="What is said in the recording.")]
Output = Annotated[
    str | None,
    typer.Option("-o", "--output", help=".wav, .flac, .ogg or .mp3, out.wav by default; - is wav on stdout."),
]
Subtitles = Annotated[
    Path | None,
    typer.Option(
        "--srt",
        metavar="FILE",
        help="Also write subtitles: SubRip, or WebVTT to a .vtt.",
        show_default=False,
    ),
]
Raw = Annotated[
    bool, typer.Option("--raw", help="With -o -: bare samples, 16 bits, little-endian, instead of wav.")
]
Play = Annotated[bool, typer.Option("--play", help="Play it while it is made; writes a file only with -o.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with this text and file where it was interrupted.")
]
Speed = Annotated[float, typer.Option(help="2 is twice as fast, 0.5 half as fast.")]
Pause = Annotated[float, typer.Option(help="Seconds between sentences.")]
Rate = Annotated[int | None, typer.Option(help="Samples a second, such as 24000, 44100 or 48000.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same sound; drawn by default.")]
Temperature = Annotated[float | None, typer.Option(help="Lower is steadier, higher livelier.")]
TopK = Annotated[int | None, typer.Option(help="Draw from this many of the likeliest tokens; 0 is all.")]
TopP = Annotated[float | None, typer.Option(help="Draw from the likeliest tokens of this total share.")]
Penalty = Annotated[float | None, typer.Option(help="Above 1 avoids repetitions.")]
Steps = Annotated[int | None, typer.Option(help="Of the solver of v3 and v4; fewer are faster and rougher.")]
Watermark = Annotated[
    bool, typer.Option("--watermark", help="Embed the watermark that `timbral watermark` finds.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Also say which model and voice are used.")]

_LONG = 1000
"""Characters of a text from which on its finished sentences are kept until it is done."""


def say(
    context: typer.Context,
    text: Text = None,
    voice: VoiceName = None,
    file: TextFile = None,
    encoding: Encoding = None,
    ref_text: RefText = None,
    lang: Language = "auto",
    lexicon: Words = None,
    model: Model = None,
    output: Output = None,
    srt: Subtitles = None,
    raw: Raw = False,
    play: Play = False,
    resume: Resume = False,
    speed: Speed = 1.0,
    pause: Pause = 0.3,
    rate: Rate = None,
    seed: Seed = None,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    repetition_penalty: Penalty = None,
    steps: Steps = None,
    device: Device = "auto",
    threads: Threads = 0,
    engine: Engine = "auto",
    watermark: Watermark = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Speak a text in a voice."""
    from timbral import GenerationConfig
    from timbral.audio.writing import STDOUT

    targets = _targets(output, raw, play)
    check_subtitles(srt)
    words = read_text(text, file, encoding)
    known, readings = find_voice(voice, ref_text), find_lexicon(voice, lexicon)
    config = GenerationConfig(**{name: context.params[name] for name in GenerationConfig.model_fields})
    clock = _Clock()
    with terminal.progress("loading") as bar:
        synthesizer = load_model(model, known, device, threads, engine)
        load_s = clock.lap()
        bar.begin("listening")
        speaker = known or _cloned(synthesizer, voice, ref_text)
        voice_s = clock.lap()
        bar.begin("speaking")
        entries = [*readings.entries.values()] if readings else None
        key = speech_key(words, speaker, lang, synthesizer.manifest.base, config, entries)
        is_kept = len(words) > _LONG and targets and output != STDOUT
        spool, config = _open_spool(key, resume, config) if is_kept else (None, config)
        start = spool.sentences if spool else 0
        with synthesizer.stream(words, speaker, lang, config, lexicon=readings, start=start) as stream:
            write_s = _write(stream, targets, srt, play, watermark, spool, bar)
    facts: dict[str, Any] = {"output": output or next(iter(targets), None), "rate": stream.rate}
    facts |= {"model": synthesizer.manifest.name, "load_s": load_s, "voice_s": voice_s, "write_s": write_s}
    facts |= _with_writing(stream.report, write_s)
    used = _used(synthesizer, speaker, device) if verbose else ""
    _print_facts(facts, used, json, on_stdout=output == STDOUT)


def _cloned(synthesizer: "Synthesizer", recording: str | None, text: str | None) -> "Voice":
    with terminal.quiet_libraries():
        return synthesizer.clone(recording or "", text=text)


def _print_facts(facts: dict[str, Any], used: str, json: bool, *, on_stdout: bool) -> None:
    """Prints what has been spoken, on stderr where the sound is on stdout."""
    if json:
        terminal.print_json({**facts, "notes": terminal.notes()}, stdout_taken=on_stdout)
        return
    print("\n".join(filter(None, (used, _in_words(facts)))), file=sys.stderr if on_stdout else sys.stdout)


class _Clock:
    def __init__(self) -> None:
        self._began = time.perf_counter()

    def lap(self) -> float:
        """Seconds since it was made, or since the last lap."""
        now = time.perf_counter()
        spent, self._began = now - self._began, now
        return round(spent, 4)


def _targets(output: str | None, raw: bool, play: bool) -> list[str]:
    """Where the sound is written to. Raises SettingError, AudioError."""
    from timbral.audio import check_target
    from timbral.audio.writing import RAW, STDOUT

    if raw and output != STDOUT:
        raise SettingError("--raw is for samples on stdout; give -o - as well")
    if output is None and play:
        return []
    target = RAW if raw else "out.wav" if output is None else output
    check_target(target)
    return [target]


def _open_spool(key: str, resume: bool, config: "GenerationConfig") -> "tuple[Spool, GenerationConfig]":
    """Where the finished sentences are kept, and the settings with their seed; with `resume` those of the
    last time."""
    spool = Spool(key)
    if resume and spool.sentences:
        terminal.note(f"{spool.sentences} sentences have been spoken before")
    else:
        spool.restart(secrets.randbits(32) if config.seed is None else config.seed)
    return spool, config.model_copy(update={"seed": spool.seed})


def _write(
    stream: "SpeechStream",
    targets: Sequence[str],
    srt: Path | None,
    play: bool,
    watermark: bool,
    spool: Spool | None,
    bar: terminal.Bar,
) -> float:
    """Writes the sound chunk by chunk, then subtitles, and returns the seconds that encoding took."""
    from timbral.audio import create
    from timbral.audio.playback import open_player
    from timbral.audio.writing import SYNTHETIC

    spent = 0.0
    embedder = _embedder(stream.rate) if watermark else None
    with ExitStack() as stack:
        # Before the sound, and so written after it: if that fails, the sound is there.
        titles = stack.enter_context(subtitles_of(srt, spool, stream.rate)) if srt else None
        writers: list[Writer] = [
            stack.enter_context(create(target, stream.rate, SYNTHETIC)) for target in targets
        ]
        with terminal.quiet_libraries():
            players = [stack.enter_context(open_player(stream.rate))] if play else []
        for block in spool.blocks() if spool else ():
            samples = embedder.push(block) if embedder else block
            for writer in writers:
                writer.write(samples)
        keeper = stack.enter_context(spool.following(stream)) if spool else None
        for chunk in stream:
            began = time.perf_counter()
            if keeper:
                keeper.write(chunk)
            if titles:
                titles.add(chunk.spoken)
            samples = embedder.push(chunk.samples) if embedder else chunk.samples
            for writer in writers:
                writer.write(samples)
            spent += time.perf_counter() - began
            for player in players:
                player.write(samples)
            bar.show(stream.progress)
        if embedder:
            rest = embedder.finish()
            for sink in [*writers, *players]:
                sink.write(rest)
    return round(spent, 4)


def _embedder(rate: int) -> "WatermarkEmbedder":
    from timbral.audio.watermark import WatermarkEmbedder

    return WatermarkEmbedder(rate)


def _with_writing(report: "Report", write_s: float) -> dict[str, Any]:
    """The report as plain values, with the time of writing in its totals."""
    facts = report.as_dict()
    total = report.total_s + write_s
    return facts | {"total_s": round(total, 4), "rtf": round(total / max(report.audio_s, 1e-9), 4)}


def _used(synthesizer: "Synthesizer", voice: "Voice", device: str) -> str:
    """The model and the voice in words."""
    manifest, bundle = synthesizer.manifest, synthesizer.bundle
    kind = "fine-tuned" if voice.adapter else "cloned"
    made_of = ", ".join(voice.sources) or "no named recording"
    return (
        f"model {manifest.name}, {manifest.family} {manifest.version}, {manifest.precision}, {bundle.folder}; "
        f"device {device}, stage two by {synthesizer.engine}\nvoice {kind} with {voice.model} from {made_of}"
    )


def _in_words(facts: dict[str, Any]) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in facts["faults"].items())
    return (
        f"{facts['output'] or 'played'}: {facts['audio_s']:.1f} s of speech in {facts['total_s']:.2f} s, "
        f"RTF {facts['rtf']:.2f}, first sound after {facts['first_s'] or 0:.2f} s, seed {facts['seed']}\n"
        f"load {facts['load_s']:.2f} s, voice {facts['voice_s']:.2f} s, text {facts['text_s']:.2f} s, "
        f"semantic {facts['prefill_s'] + facts['decode_s']:.2f} s, acoustic {facts['acoustic_s']:.2f} s, "
        f"writing {facts['write_s']:.2f} s, {facts['retries']} retries{f' ({faults})' if faults else ''}"
    )
