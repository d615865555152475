"""The worker process of a server: `python -m timbral.serving.jobs.attached`.

Reads the settings as one line of JSON from its standard input. When that is closed, the server has stopped or died: the
worker gives its job back and ends. It also ends when there was no job for a while.
"""

import os
import signal
import sys
import threading

from timbral.serving import logs
from timbral.serving.config import ServeConfig
from timbral.serving.jobs.worker import Worker
from timbral.serving.services import Services

_IDLE_S = 60.0


def main() -> None:
    """Works until the server is gone, or there is nothing to do."""
    config = ServeConfig.model_validate_json(sys.stdin.buffer.readline())
    # Ctrl-C in a terminal reaches the whole group of processes; the server decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(config.log_format)
    stopping = threading.Event()

    def watch() -> None:
        # Not by a buffered reader, whose lock would be held when the process ends.
        while os.read(sys.stdin.fileno(), 4096):
            continue
        stopping.set()

    threading.Thread(target=watch, daemon=True).start()
    services = Services.open(config)
    try:
        Worker(services, stopping).run(idle_s=_IDLE_S)
    finally:
        services.close()


if __name__ == "__main__":
    main()
