"""What a client has set: its recording and its model. Never those of another client."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from starlette.requests import Request

from timbral.serving.access.keys import ANONYMOUS, Principal

_MOST = 10_000


@dataclass(frozen=True)
class ClientState:
    """reference: name of a voice or a path, as `/set_refer_audio` got it. model: the one that was set last."""

    reference: str = ""
    model: str | None = None


class Clients:
    """States by client; those that were not used for longest are forgotten. May be shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[str, ClientState] = OrderedDict()

    def get(self, client: str) -> ClientState:
        """The state of a client; an empty one where it has set nothing."""
        with self._lock:
            if client in self._states:
                self._states.move_to_end(client)
            return self._states.get(client, ClientState())

    def change(self, client: str, **fields: str) -> None:
        """Sets fields of the state of a client."""
        with self._lock:
            self._states[client] = replace(self._states.get(client, ClientState()), **fields)
            self._states.move_to_end(client)
            if len(self._states) > _MOST:
                self._states.popitem(last=False)


def client_of(request: Request, principal: Principal) -> str:
    """What a client is called: its key, or its address on a server without keys."""
    if principal is not ANONYMOUS:
        return principal.key_id
    return f"address {request.client.host if request.client else ''}"
