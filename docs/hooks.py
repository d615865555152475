"""Takes pages of the repository that lie outside `docs/` into the site, and points links at them.

Pages link to each other as files of the repository, so that they work in an editor and on a code host as well. A linked
file outside `docs/` becomes `repository/PATH` of the site.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "repository"
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(?=[)#])")
SUFFIXES = {".md", ".toml", ".yml", ".png", ".flac", ".mp3", ".ogg", ".txt", ".py", ""}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files outside `docs/` that pages link to, directly or by each other."""
    waiting = [source for source in (_source(file.src_uri) for file in files) if source.endswith(".md")]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
            source = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
            uri, path = _uri(source), ROOT / source
            if uri in files.src_uris or not path.is_file() or path.suffix not in SUFFIXES:
                continue
            files.append(File.generated(config, uri, abs_src_path=str(path)))
            if path.suffix == ".md":
                waiting.append(source)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Points links at where the linked files are in the site."""
    here = page.file.src_uri
    source = _source(here)

    def moved(match: re.Match[str]) -> str:
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1]))
        return posixpath.relpath(_uri(linked), posixpath.dirname(here) or ".")

    return LINK.sub(moved, markdown)


def _source(uri: str) -> str:
    """Path in the repository of a file of the site."""
    return uri.removeprefix(f"{PREFIX}/") if uri.startswith(f"{PREFIX}/") else f"docs/{uri}"


def _uri(source: str) -> str:
    """Path in the site of a file of the repository."""
    return source.removeprefix("docs/") if source.startswith("docs/") else f"{PREFIX}/{source}"
