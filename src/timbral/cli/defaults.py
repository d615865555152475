"""Defaults of options from the user's config.toml: a table for each command, and common ones above."""

import sys
from pathlib import Path
from typing import Any

from timbral.errors import SettingError
from timbral.paths import config_folder, describe_error

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def config_file() -> Path:
    """Where the defaults are, if there are any."""
    return config_folder() / "config.toml"


def read_defaults(group: Any) -> dict[str, Any]:
    """Defaults by command and option of a typer group. Raises SettingError: unreadable, unknown names."""
    path = config_file()
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path}: not TOML ({error})") from None
    except OSError as error:
        raise SettingError(describe_error(error, path)) from None
    options = {name: _options(command) for name, command in group.commands.items()}
    common = {key: value for key, value in content.items() if not isinstance(value, dict)}
    everywhere = frozenset[str]().union(*options.values())
    _check(path, "", common, everywhere)
    defaults = {}
    for name, known in options.items():
        own = content.pop(name, {})
        _check(path, f"{name}.", own, known)
        given = {**common, **own}
        defaults[name] = {_plain(key): value for key, value in given.items() if _plain(key) in known}
    _check(path, "", content, everywhere)
    return defaults


def _options(command: Any) -> frozenset[str]:
    return frozenset(
        option.name
        for option in command.params
        if option.param_type_name == "option" and option.name != "help"
    )


def _plain(key: str) -> str:
    return key.replace("-", "_")


def _check(path: Path, where: str, given: dict[str, Any], known: frozenset[str]) -> None:
    for key in given:
        if _plain(key) not in known:
            raise SettingError(f"{path}: {where}{key} is unknown; known are {', '.join(sorted(known))}")
