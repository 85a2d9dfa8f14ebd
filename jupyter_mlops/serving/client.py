"""Asking a model server over HTTP, with a time-out."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..errors import InvalidInputError, ServingError
from ..i18n import gettext as _
from .server import reachable

#: How long a prediction may take, seconds.
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A model server's answer."""

    request_id: str
    deployment_id: str
    model: str
    version: str
    milliseconds: float
    predictions: list[Any]


def invoke(endpoint: str, host: str, port: int, body: dict[str, Any], timeout: float = TIMEOUT) -> Reply:
    """Send a body of MLflow's protocol to a model server.

    Raises :class:`InvalidInputError` where it refuses the rows, :class:`ServingError` where it can't be reached, is
    too slow or fails.
    """
    connection = http.client.HTTPConnection(reachable(host), port, timeout=timeout)
    try:
        text = json.dumps(body, ensure_ascii=False).encode()
        connection.request("POST", "/invocations", body=text, headers={"content-type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except TimeoutError as error:
        raise ServingError(
            _("The endpoint {name} did not answer within {n:.0f} seconds.").format(name=endpoint, n=timeout),
            next=_("Ask for fewer rows, or see the model server's log."),
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidInputError(_("The rows hold text that is not valid Unicode."), why=str(error)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ServingError(
            _("The endpoint {name} can't be reached.").format(name=endpoint),
            why=str(error),
            next=_("`mlops endpoints show {name}` tells how it is.").format(name=endpoint),
        ) from error
    finally:
        connection.close()
    if response.status != 200:
        raise _refused(endpoint, response.status, answer)
    predictions = answer["predictions"]
    return Reply(
        request_id=response.getheader("mlops-request-id", ""),
        deployment_id=response.getheader("mlops-deployment", ""),
        model=unquote(response.getheader("mlops-model", "")),
        version=response.getheader("mlops-model-version", ""),
        milliseconds=float(response.getheader("mlops-milliseconds", "0")),
        predictions=predictions if isinstance(predictions, list) else [predictions],
    )


def _refused(endpoint: str, status: int, answer: Any) -> InvalidInputError | ServingError:
    message = str(answer.get("message") or answer.get("error") or answer) if isinstance(answer, dict) else str(answer)
    if status in (400, 413, 415, 422):
        return InvalidInputError(
            _("The endpoint {name} refused the request.").format(name=endpoint),
            why=message,
            next=_("`mlops endpoints show {name}` lists what the model takes.").format(name=endpoint),
        )
    return ServingError(_("The endpoint {name} failed.").format(name=endpoint), why=message, details={"status": status})
