"""From the bytes of a request to validated values: path, query, body. Every refusal says which field and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl, unquote

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ..i18n import gettext as _
from ..schema import Model
from .problems import InvalidFieldsError, MalformedRequestError, NotJsonError, TooLargeError

#: Largest body taken, bytes. Predictions are the largest: 10,000 rows.
MAX_BODY_BYTES = 16 * 2**20
_MAX_QUERY_FIELDS = 200
#: Parameters of Jupyter Server itself, and the time that JupyterLab adds to outwit caches (a name of digits only).
_NOT_OURS = re.compile(r"token|_xsrf|no_track_activity|\d+")


def read_path(quoted: Mapping[str, str]) -> dict[str, str]:
    """Return the path's values, percent-decoded."""
    values = {}
    for name, text in quoted.items():
        try:
            values[name] = unquote(text, errors="strict")
        except UnicodeDecodeError as error:
            raise MalformedRequestError(_("{name} in the path is not UTF-8.").format(name=name)) from error
        if "\0" in values[name]:
            raise MalformedRequestError(_("{name} in the path contains a NUL character.").format(name=name))
    return values


def read_query(text: str) -> dict[str, list[str]]:
    """Return the query's values by name, without those that are Jupyter's own."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_QUERY_FIELDS)
    except UnicodeDecodeError as error:
        raise MalformedRequestError(_("The query is not UTF-8.")) from error
    except ValueError as error:
        raise MalformedRequestError(
            _("The query has more than {most} parameters.").format(most=_MAX_QUERY_FIELDS)
        ) from error
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise MalformedRequestError(_("The query contains a NUL character."))
        if not _NOT_OURS.fullmatch(name):
            values.setdefault(name, []).append(value)
    return values


def validate_query(model: type[Model] | None, values: Mapping[str, list[str]]) -> Any:
    """Return the query as the route's model; with no model, any parameter is refused."""
    fields = model.model_fields if model is not None else {}
    problems = [
        {"location": ["query", name], "message": _("There is no such parameter.")}
        for name in values
        if name not in fields
    ]
    problems += [
        {"location": ["query", name], "message": _("Given more than once.")}
        for name, given in values.items()
        if name in fields and len(given) > 1 and not _is_list(fields[name])
    ]
    if problems:
        raise _invalid(problems)
    if model is None:
        return None
    data = {name: _from_text(fields[name], given) for name, given in values.items()}
    try:
        return model.model_validate(data, strict=True)
    except ValidationError as error:
        raise _invalid(_problems("query", error.errors(include_url=False, include_context=False))) from error


def validate_body(model: type[Model] | None, body: bytes, content_type: str) -> Any:
    """Return the JSON body as the route's model; where the route takes none, whatever was sent is ignored."""
    if model is None:
        return None
    check_size(body)
    kind, _semicolon, parameters = content_type.lower().partition(";")
    charset = re.search(r'charset\s*=\s*"?([\w-]+)', parameters)
    if kind.strip() != "application/json" or (charset and charset[1] not in ("utf-8", "utf8")):
        raise NotJsonError(
            _("The body must be JSON."),
            why=_("The request's Content-Type is {kind}.").format(kind=content_type or _("missing")),
            next=_("Send `Content-Type: application/json`."),
        )
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        if details[0]["type"] == "json_invalid":
            raise MalformedRequestError(_("The body is not JSON."), why=details[0]["msg"]) from error
        raise _invalid(_problems("body", details)) from error


def check_size(body: bytes) -> None:
    """Raise :class:`TooLargeError` for a body that is larger than any route takes."""
    if len(body) > MAX_BODY_BYTES:
        raise TooLargeError(
            _("The body has {size:.1f} MB.").format(size=len(body) / 2**20),
            why=_("At most {most} MB are taken.").format(most=MAX_BODY_BYTES // 2**20),
            next=_("Send it in smaller parts."),
        )


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list


def _from_text(field: FieldInfo, given: list[str]) -> Any:
    """Return a parameter as its field's type where the text is exactly that; the model refuses the rest.

    Pydantic alone would take "yes", "1_000" or "5.0": what a client sends by mistake should not pass.
    """
    if _is_list(field):
        item = get_args(field.annotation)[0]
        return [_scalar(item, text) for text in given]
    return _scalar(field.annotation, given[0])


def _scalar(kind: Any, text: str) -> Any:
    if kind is bool and text in ("true", "false"):
        return text == "true"
    if kind is int and re.fullmatch(r"-?(0|[1-9]\d{0,18})", text):
        return int(text)
    if kind is float and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", text):
        return float(text)
    return text


def _problems(where: str, details: Iterable[ErrorDetails]) -> list[dict[str, Any]]:
    return [{"location": [where, *detail["loc"]], "message": detail["msg"]} for detail in details]


def _invalid(problems: list[dict[str, Any]]) -> InvalidFieldsError:
    first = problems[0]
    return InvalidFieldsError(
        _("The request is not valid."),
        why="{place}: {message}".format(place=".".join(map(str, first["location"][1:])), message=first["message"]),
        next=_("Correct the fields named in the details."),
        details={"fields": problems[:50]},
    )
