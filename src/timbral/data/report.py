"""The report on a training set: one HTML file with its pictures inside."""

import base64
import hashlib
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from timbral.audio.reading import read
from timbral.data.filtering import AssessedClip
from timbral.data.listing import write_text
from timbral.errors import AudioError, InstallationError

Levels = NDArray[np.float64]

_WORST = 6
_MOST_ROWS = 1000
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 2rem } img { max-width: 100% }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(24rem, 1fr)); gap: 1rem }
figure { margin: 0 } figure img { width: 100%; height: 12rem }
td, th { text-align: left; border-bottom: 1px solid #ddd; padding: .25rem .5rem; vertical-align: top }
code { font-size: 13px } .good { color: #176e39 } .bad { color: #a32020 }
@media (prefers-color-scheme: dark) { body { background: #16181b; color: #ddd } td, th { border-color: #444 }
img { background: #fff; border-radius: 4px } .good { color: #6cc98d } .bad { color: #ec8c8c } }
"""


def write_report(
    path: Path, name: str, assessed: Sequence[AssessedClip], problems: Sequence[str], notes: Sequence[str]
) -> None:
    """Writes the page, unless it already says the same. Raises DataError, InstallationError."""
    content = [
        (one.line.audio.name, one.line.text, one.sound, one.denoised, one.transcript, one.reason)
        for one in assessed
    ]
    mark = "<!-- " + hashlib.sha256(repr((name, content, problems, notes)).encode()).hexdigest() + " -->"
    if path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace")[-200:]:
        return
    good = [one for one in assessed if not one.reason]
    parts = [
        f"<h1>{html.escape(name)}</h1>",
        _summary(assessed, good),
        _listed("Recordings that could not be used", problems),
        _listed("Notes", notes),
        _distributions(assessed, good),
        _worst(good or assessed),
        _dropped([one for one in assessed if one.reason]),
        _clips(good),
    ]
    body = "\n".join(parts)
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(name)}</title><style>{_STYLE}</style>{body}\n{mark}\n"
    write_text(path, page)


def _summary(assessed: Sequence[AssessedClip], good: Sequence[AssessedClip]) -> str:
    seconds = sum(one.sound.seconds for one in good)
    languages: dict[str, int] = {}
    for one in good:
        languages[one.line.language or "unknown"] = languages.get(one.line.language or "unknown", 0) + 1
    spoken = ", ".join(f"{language} {count}" for language, count in sorted(languages.items()))
    return (
        f"<p><b class=good>{len(good)} clips, {seconds / 60:.1f} minutes</b> ({spoken or 'none'}); "
        f"<b class=bad>{len(assessed) - len(good)} dropped</b></p>"
    )


def _listed(title: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    return f"<h2>{title}</h2><ul>{''.join(f'<li>{html.escape(row)}</li>' for row in rows[:_MOST_ROWS])}</ul>"


def _distributions(assessed: Sequence[AssessedClip], good: Sequence[AssessedClip]) -> str:
    if not assessed:
        return ""
    shown: list[tuple[str, Callable[[AssessedClip], float | None]]] = [
        ("length in s", lambda one: one.sound.seconds),
        ("loudness before levelling in LUFS", lambda one: max(one.sound.loudness, -80.0)),
        ("noise: dB below the speech", lambda one: one.sound.noise),
        (
            "phones a second of speech",
            lambda one: one.phones / max(one.sound.speech, 0.1) if one.phones else None,
        ),
        ("confidence of the transcript", lambda one: one.transcript.confidence if one.transcript else None),
    ]
    figure = _figure(11, 5.5)
    for number, (title, value) in enumerate(shown, 1):
        axes = figure.add_subplot(2, 3, number)
        kept = [v for one in good if (v := value(one)) is not None]
        left = [v for one in assessed if one.reason and (v := value(one)) is not None]
        if kept or left:
            bins = np.histogram_bin_edges(np.array(kept + left), bins=min(30, max(5, len(assessed) // 3)))
            axes.hist(
                [kept, left], bins=bins, stacked=True, color=["#3b8f5c", "#c65b5b"], label=["used", "dropped"]
            )
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=8)
    figure.axes[0].legend(fontsize=8)
    return f"<h2>Distributions</h2>{_image(figure, 'histograms of length, loudness, noise, rate and confidence')}"


def _worst(clips: Sequence[AssessedClip]) -> str:
    """Spectrograms of the clips that are most worth a look: noisy ones, and those hardly understood."""

    def doubt(one: AssessedClip) -> float:
        return -one.sound.noise / 10 - 3 * (one.transcript.confidence if one.transcript else 0.0)

    figures = []
    for one in sorted(clips, key=doubt, reverse=True)[:_WORST]:
        try:
            samples, rate = read(one.line.audio)
        except AudioError:
            continue
        name, seconds = html.escape(one.line.audio.name), len(samples) / rate
        caption = f"<code>{name}</code>: {seconds:.1f} s, 0 to {rate / 2000:.0f} kHz, noise {_noise(one)}"
        figures.append(
            f"<figure>{_picture(_spectrogram(samples), name)}<figcaption>{caption}</figcaption></figure>"
        )
    return f"<h2>Worth a look</h2><div class=grid>{''.join(figures)}</div>" if figures else ""


def _spectrogram(samples: NDArray[np.float32]) -> Levels:
    """Levels in dB [128, frames], at most 400 frames, of samples [n]: no more dots than the page shows."""
    padded = np.pad(samples, (0, max(0, 1024 - len(samples))))
    hop = max(256, -(-len(padded) // 400))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[::hop] * np.hanning(1024)
    levels: Levels = 20 * np.log10(np.abs(np.fft.rfft(frames)).T + 1e-4)
    pooled: Levels = levels[1:].reshape(128, 4, -1).mean(axis=1)
    return pooled


def _dropped(clips: Sequence[AssessedClip]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(one.line.audio.name)}</code><td>{html.escape(one.reason)}<td>{html.escape(one.line.text)}"
        for one in clips[:_MOST_ROWS]
    ]
    return f"<h2>Dropped</h2><table><tr><th>clip<th>why<th>text{''.join(rows)}</table>" if rows else ""


def _clips(clips: Sequence[AssessedClip]) -> str:
    rows = [
        f"<tr><td><code>{html.escape(one.line.audio.name)}</code><td>{one.sound.seconds:.1f}<td>{_noise(one)}"
        f"<td>{one.transcript.confidence if one.transcript else ''}<td>{one.line.language}<td>{html.escape(one.line.text)}"
        for one in clips[:_MOST_ROWS]
    ]
    heads = "<tr><th>clip<th>s<th>noise<th>confidence<th>language<th>text"
    return f"<h2>Clips</h2><table>{heads}{''.join(rows)}</table>" if rows else ""


def _noise(one: AssessedClip) -> str:
    return f"{one.sound.noise:.0f} dB{', denoised' if one.denoised else ''}"


def _figure(width: float, height: float) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InstallationError(
            "the report needs matplotlib; install it with: pip install 'timbral[data]'"
        ) from None
    return Figure(figsize=(width, height), layout="constrained")


def _picture(levels: Levels, meaning: str) -> str:
    """Levels [rows, columns], the lowest row at the bottom, as colours."""
    from matplotlib.image import imsave

    # In 32 colours a picture takes half the bytes.
    steps = np.round(31 * (levels - levels.min()) / max(float(np.ptp(levels)), 1e-9))
    buffer = io.BytesIO()
    imsave(buffer, steps, format="png", cmap="magma", origin="lower")
    return _embedded(buffer, f"spectrogram of {meaning}")


def _image(figure: Any, meaning: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return _embedded(buffer, meaning)


def _embedded(buffer: io.BytesIO, meaning: str) -> str:
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{meaning}" src="data:image/png;base64,{data}">'
