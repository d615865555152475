"""`timbral serve`, `timbral worker`, `timbral keys`, `timbral audit`: the server, its jobs, who may use it, its record."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from timbral.cli import terminal
from timbral.cli.options import Json
from timbral.errors import InstallationError, SettingError

if TYPE_CHECKING:
    from timbral.serving.config import ServeConfig

Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings as YAML.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port; 8000 by default, 0 for any free one.")
]
Open = Annotated[bool, typer.Option("--open", help="Serve other machines without any key.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=64,
        help="Processes for jobs, started when there are any; 1 where timbral[train] is installed.",
    ),
]
Ray = Annotated[
    bool, typer.Option("--ray", help="Speak on a Ray cluster, which is started where there is none.")
]
OfficialApi = Annotated[
    bool, typer.Option("--official-api", help="Also serve the addresses of GPT-SoVITS's api_v2.")
]
Wyoming = Annotated[
    bool, typer.Option("--wyoming", help="Also serve Home Assistant, by the Wyoming protocol.")
]
WyomingUri = Annotated[
    str | None, typer.Option(metavar="URI", help="Where --wyoming listens; tcp://127.0.0.1:10200 by default.")
]
Scopes = Annotated[list[str], typer.Option("--scope", help="speak, voices, train or admin; can be repeated.")]
Owner = Annotated[str | None, typer.Option(help="Whose voices it makes; by default NAME.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Id of a key, as `keys list` shows it.")]
Rate = Annotated[int | None, typer.Option(min=1, help="Requests a minute.")]
Characters = Annotated[int | None, typer.Option(min=1, help="Characters a day.")]
Concurrent = Annotated[int | None, typer.Option(min=1, help="Streams at once.")]
After = Annotated[int, typer.Option(min=0, help="Only entries after this number.")]

keys = typer.Typer(help="Make, list and revoke the API keys of the server.", rich_markup_mode=None)
audit = typer.Typer(help="Show and check the audit log of the server.", rich_markup_mode=None)


def serve(
    host: Host = None,
    port: Port = None,
    config: Config = None,
    open_: Open = False,
    official_api: OfficialApi = False,
    wyoming: Wyoming = False,
    wyoming_uri: WyomingUri = None,
    workers: Workers = None,
    ray: Ray = False,
) -> None:
    """Serve speech over HTTP, with OpenAI's API. Ctrl-C ends it, after the streams that run."""
    settings = _settings(
        config,
        host=host,
        port=port,
        open=open_ or None,
        official_api=official_api or None,
        wyoming=wyoming or wyoming_uri is not None or None,
        wyoming_uri=wyoming_uri,
    )
    if workers is not None:
        jobs = settings.jobs.model_copy(update={"workers": workers})
        settings = settings.model_copy(update={"jobs": jobs})
    run = _ray_server() if ray else _server()

    def opened(address: str) -> None:
        print(f"{address}  (API: {address}/docs)", flush=True)

    run(settings, opened)


def worker(config: Config = None) -> None:
    """Work on the jobs of a server, which may run on another machine. Ctrl-C ends it; another one goes on with its job."""
    settings = _settings(config)
    import threading

    try:
        from timbral.serving import logs
        from timbral.serving.jobs.worker import Worker
        from timbral.serving.services import Services
    except ModuleNotFoundError as error:
        raise InstallationError(
            f"jobs need {error.name}, which is not installed; pip install 'timbral[serve,train,data]' brings it"
        ) from None
    logs.configure(settings.log_format)
    services = Services.open(settings)
    try:
        print(f"jobs of {services.database.engine.url.render_as_string()}", flush=True)
        Worker(services, threading.Event()).run()
    finally:
        services.close()


@keys.command("add")
def add_key(
    name: Name,
    scope: Scopes = ["speak", "voices"],  # noqa: B006 - typer copies it
    owner: Owner = None,
    requests_per_minute: Rate = None,
    characters_per_day: Characters = None,
    concurrent: Concurrent = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key and print it. It is shown this once, for the server stores its hash alone."""
    row, key = _keys(config).add(
        name,
        owner or name,
        scope,
        requests_per_minute=requests_per_minute,
        characters_per_day=characters_per_day,
        concurrent=concurrent,
    )
    if json:
        terminal.print_json({**_facts(row), "key": key})
    else:
        print(key)
        terminal.note(f"{row.id}: {row.scopes}; it is shown this once")


@keys.command("list")
def list_keys(config: Config = None, json: Json = False) -> None:
    """List the keys, without the keys themselves."""
    rows = _keys(config).all()
    if json:
        terminal.print_json({"keys": [_facts(row) for row in rows]})
        return
    terminal.print_table(
        [[row.id, row.name, row.owner, row.scopes, "revoked" if row.revoked else "valid"] for row in rows]
    )


@keys.command("revoke")
def revoke_key(key: KeyId, config: Config = None) -> None:
    """End a key; running servers notice within seconds."""
    _keys(config).revoke(key)
    print(f"{key}: revoked")


@audit.command("verify")
def verify(config: Config = None) -> None:
    """Check the chain of hashes: whether an entry was changed, removed or moved."""
    log = _audit(config)
    count, problem = log.verify()
    if problem:
        raise SettingError(f"the audit log does not hold: {problem}")
    last = next(iter(log.entries(after=count - 1)), None) if count else None
    print(f"{count} entries hold; the last hash is {last.hash if last else '-'}")


@audit.command("show")
def show(after: After = 0, config: Config = None) -> None:
    """Print the entries, each as one line of JSON."""
    from timbral.serving.access.audit import described

    for row in _audit(config).entries(after=after):
        terminal.print_json(described(row))


def _settings(path: Path | None, **flags: Any) -> "ServeConfig":
    try:
        from timbral.serving.config import read_config
    except ImportError:
        raise InstallationError(
            "serving needs more packages; install them with: pip install 'timbral[serve]'"
        ) from None
    return read_config(path, **flags)


def _server() -> Any:
    from timbral.serving.server import serve as run

    return run


def _ray_server() -> Any:
    try:
        from timbral.serving.ray.server import serve as run
    except ImportError:
        raise InstallationError(
            "--ray needs more packages; install them with: pip install 'timbral[ray]'"
        ) from None
    return run


def _database(path: Path | None) -> Any:
    settings = _settings(path)
    from timbral.serving.storage.database import Database

    return Database.open(settings.storage)


def _keys(path: Path | None) -> Any:
    database = _database(path)
    from timbral.serving.access.keys import Keys

    return Keys(database)


def _audit(path: Path | None) -> Any:
    database = _database(path)
    from timbral.serving.access.audit import AuditLog

    return AuditLog(database)


def _facts(row: Any) -> dict[str, Any]:
    names = ("id", "name", "owner", "requests_per_minute", "characters_per_day", "concurrent")
    return {
        **{name: getattr(row, name) for name in names},
        "scopes": row.scopes.split(),
        "created": row.created.isoformat(timespec="seconds"),
        "revoked": row.revoked and row.revoked.isoformat(timespec="seconds"),
    }
