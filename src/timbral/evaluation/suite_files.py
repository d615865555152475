"""Suites from files: the built-in one, folders of recordings and texts, and the layout of seed-tts-eval.

A folder of recordings and texts has a text file for each language, `en.txt`, a sentence a line. With a table
`prompts.tsv`, whose first line names its columns, each row is a voice:

| column | meaning |
|---|---|
| id | name of the voice |
| recording | path from the table; by default a recording `id` beside it |
| language | of the recording |
| transcript | what is said in it; may be empty |
| speaks | languages of the texts, separated by spaces; by default that of the recording |

Without the table every recording in the folder is a voice that speaks all texts.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from timbral.audio.reading import RECORDING_SUFFIXES
from timbral.errors import DataError
from timbral.evaluation.suite import Case, Suite, SuiteVoice
from timbral.text.languages import LANGUAGES
from timbral.text.segmentation import segment

BUILTIN = "builtin"
"""Name of the suite inside the package."""
META = "meta.lst"
PROMPTS = "prompts.tsv"
SENTENCES = 2
"""Sentences that a voice speaks in each of its languages."""
_LIMIT = 64 << 20
_UNFIT = re.compile(r"[^\w.-]+")


def load_suite(path: str | Path | None = None, *, sentences: int = SENTENCES) -> Suite:
    """The built-in suite, a folder of recordings and texts, or a list as seed-tts-eval has it.

    path: None or `builtin`; a folder with texts, see above; a `.lst` file, or a folder that holds `meta.lst` or
    folders such as `en` and `zh` that do. sentences: of a voice in each language, for folders of texts; voices
    take turns through the sentences of a language. Raises DataError: nothing to speak, a damaged list, a
    recording that is missing.
    """
    if path is None or path == BUILTIN:
        return _read_folder(Path(__file__).parent / BUILTIN, BUILTIN, sentences)
    path = Path(path)
    if path.is_file():
        return Suite(path.stem, tuple(_read_list(path)))
    if not path.is_dir():
        raise DataError(f"{path}: no suite is there; give a folder of recordings and texts, or a meta.lst")
    lists = [path / META] if (path / META).is_file() else sorted(path.glob(f"*/{META}"))
    if lists:
        cases = [case for each in lists for case in _read_list(each, len(lists) > 1)]
        return Suite(path.name, tuple(cases))
    return _read_folder(path, path.name, sentences)


def _read_folder(folder: Path, name: str, sentences: int) -> Suite:
    texts: dict[str, list[str]] = {}
    for language in LANGUAGES:
        path = folder / f"{language}.txt"
        lines = [line.strip() for line in _text(path).splitlines()] if path.is_file() else []
        if lines := [line for line in lines if line]:
            texts[language] = lines
    if not texts:
        raise DataError(f"{folder}: no texts; write sentences into en.txt, zh.txt, ja.txt, a sentence a line")
    voices = _table(folder / PROMPTS) if (folder / PROMPTS).is_file() else _recordings(folder, texts)
    used: dict[str, int] = defaultdict(int)
    cases = []
    for voice, languages in voices:
        for spoken in languages:
            if spoken not in texts:
                raise DataError(f"{folder}: {voice.name} speaks {spoken}, and there is no {spoken}.txt")
            for turn in range(min(sentences, len(texts[spoken]))):
                text = texts[spoken][used[spoken] % len(texts[spoken])]
                used[spoken] += 1
                cases.append(Case(f"{voice.name}-{spoken}-{turn + 1}", voice, text, spoken))
    return Suite(name, tuple(cases))


def _recordings(folder: Path, texts: Iterable[str]) -> list[tuple[SuiteVoice, list[str]]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in RECORDING_SUFFIXES)
    if not paths:
        raise DataError(f"{folder}: no recordings; put some there, of 3 to 10 s of one person each")
    names = _unique([_fit(path.stem) for path in paths])
    return [(SuiteVoice(name, path), list(texts)) for name, path in zip(names, paths, strict=True)]


def _table(path: Path) -> list[tuple[SuiteVoice, list[str]]]:
    rows = list(csv.DictReader(_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or "id" not in rows[0]:
        raise DataError(f"{path}: the first line names no column id; columns are separated by tabs")
    voices = []
    for number, row in enumerate(rows, 2):
        values = {key: (value or "").strip() for key, value in row.items() if isinstance(value, str | None)}
        language = values.get("language") or "auto"
        spoken = (values.get("speaks") or language).split()
        if unknown := [one for one in spoken if one not in LANGUAGES]:
            known = ", ".join(LANGUAGES)
            raise DataError(f"{path}, line {number}: language {unknown[0][:20]!r} is unknown; write {known}")
        recording = _recording(path, number, values)
        voice = SuiteVoice(_fit(values["id"]), recording, values.get("transcript", ""), language)
        voices.append((voice, spoken))
    names = [voice.name for voice, _ in voices]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path}: two voices have the id {twice[0]}; give each one of its own")
    return voices


def _recording(table: Path, number: int, values: dict[str, str]) -> Path:
    if given := values.get("recording"):
        found = [path for path in [table.parent / given] if path.is_file()]
    else:
        found = sorted(
            path
            for path in table.parent.iterdir()
            if path.stem == values["id"] and path.suffix.lower() in RECORDING_SUFFIXES
        )
    if not found:
        missing = given or f"{values['id']}.flac"
        raise DataError(f"{table}, line {number}: there is no recording {missing[:80]}")
    return found[0]


def _read_list(path: Path, with_folder: bool = False) -> Iterable[Case]:
    """Cases of a list as seed-tts-eval has it: `utt|prompt_text|prompt_wav|infer_text`, and what may follow.

    The language is the name of the list's folder, or else that of the texts.
    """
    lines = [(n, line) for n, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: the list is empty")
    language = path.parent.name if path.parent.name in LANGUAGES else None
    names = _unique([_fit(line.split("|")[0].strip()) for _, line in lines])
    voices: dict[tuple[str, str], SuiteVoice] = {}
    for name, (number, line) in zip(names, lines, strict=True):
        fields = [field.strip() for field in line.split("|")]
        if len(fields) < 4 or not fields[2] or not fields[3]:
            raise DataError(f"{path}, line {number}: not utt|prompt_text|prompt_wav|infer_text")
        recording = path.parent / fields[2]
        if not recording.is_file():
            raise DataError(f"{path}, line {number}: there is no recording {fields[2][:80]}")
        spoken = language or _language(fields[3])
        prefix = f"{path.parent.name}-" if with_folder else ""
        key = (fields[2], fields[1])
        if key not in voices:
            heard = language or (_language(fields[1]) if fields[1] else "auto")
            voices[key] = SuiteVoice(f"{prefix}{name}", recording, fields[1], heard)
        yield Case(f"{prefix}{name}", voices[key], fields[3], spoken)


def _language(text: str) -> str:
    """The language that most of a text is in."""
    sizes: dict[str, int] = defaultdict(int)
    for span in segment(text, "auto"):
        sizes[span.language] += len(span.text)
    return max(sizes, key=lambda language: sizes[language], default="en")


def _fit(name: str) -> str:
    """A name as it may stand in a file name."""
    return _UNFIT.sub("_", name)[:60].strip(".-_") or "voice"


def _unique(names: list[str]) -> list[str]:
    """The names, with a number behind those that come again."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = "".join(islice(file, _LIMIT))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return text
