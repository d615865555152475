"""What a client and the server say to each other in a session; each message is a JSON object with a `type`."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from timbral.serving.api.speech_request import SpeechOptions, first_mistake
from timbral.serving.encoding import FormatName
from timbral.serving.errors import ApiError


class SessionConfig(SpeechOptions):
    """How everything after it is spoken: the fields of a request for speech, `pcm` by default."""

    type: Literal["session.config", "session.update"]
    response_format: FormatName = "pcm"


class InputText(BaseModel):
    """Further characters of the text; whole sentences are spoken at once."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["input.text"]
    text: Annotated[str, Field(max_length=100_000)]


class InputCommit(BaseModel):
    """Speaks what is there, also if no sentence ends with it."""

    type: Literal["input.commit"]


class InputDone(BaseModel):
    """Speaks what is there and then ends the session."""

    type: Literal["input.done"]


class ResponseCancel(BaseModel):
    """Stops the speech at once and drops the text that is not spoken yet."""

    type: Literal["response.cancel"]


ClientMessage = Annotated[
    SessionConfig | InputText | InputCommit | InputDone | ResponseCancel, Field(discriminator="type")
]
_READER: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)


def read_message(text: str) -> ClientMessage:
    """A message of a client. Raises ApiError: not JSON, an unknown type, a field with a wrong value."""
    try:
        return _READER.validate_python(json.loads(text))
    except ValidationError as error:
        raise first_mistake(error) from None
    except (ValueError, RecursionError):
        raise ApiError(400, "a message is a JSON object", code="invalid_message") from None


def to_json(kind: str, **fields: Any) -> str:
    """A message of the server."""
    return json.dumps({"type": kind, **fields}, ensure_ascii=True)
