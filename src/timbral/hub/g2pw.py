"""Unpacks the published archive of G2PW: the files that are known by name, and nothing else."""

import shutil
import zipfile
from pathlib import Path

from timbral.errors import HubError

_NAMES = (
    "g2pW.onnx",
    "POLYPHONIC_CHARS.txt",
    "MONOPHONIC_CHARS.txt",
    "bopomofo_to_pinyin_wo_tune_dict.json",
)
_LARGEST = 1 << 30


def unpack(archive: Path, folder: Path) -> Path:
    """The folder of the model, made in `folder`.

    Raises HubError for an archive that is damaged or lacks a file.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {entry.filename.rpartition("/")[2]: entry for entry in opened.infolist()}
            folder.mkdir(parents=True)
            for name in _NAMES:
                entry = members.get(name)
                if entry is None or entry.file_size > _LARGEST:
                    raise HubError(
                        f"{archive}: has no usable {name}, so it is not the archive of G2PW; pull again"
                    )
                with opened.open(entry) as source, (folder / name).open("wb") as out:
                    shutil.copyfileobj(source, out)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise HubError(f"{archive}: the archive is damaged ({error}); remove it and pull again") from None
    return folder
