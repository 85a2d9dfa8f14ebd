"""From the faces' words for "which runs, in which order" to MLflow's."""

from __future__ import annotations

import base64
import json
import re

from ..context import TAG_NOTEBOOK
from ..errors import InvalidInputError
from ..i18n import gettext as _
from .types import RunQuery

_ATTRIBUTES = {
    "": "start_time",
    "started_at": "start_time",
    "ended_at": "end_time",
    "name": "run_name",
    "status": "status",
}


def filter_of(query: RunQuery) -> str:
    """Return MLflow's filter of a query.

    Raises :class:`InvalidInputError` with MLflow's own message where the person's filter can't be read.
    """
    clauses = []
    if query.notebook:
        clauses.append(f"tags.`{TAG_NOTEBOOK}` = {quoted(query.notebook)}")
    if query.filter.strip():
        _check(query.filter)
        clauses.append(query.filter.strip())
    return " AND ".join(clauses)


def order_of(query: RunQuery) -> list[str]:
    """Return MLflow's ``order_by``; it breaks ties by start time and run id itself, so pages don't overlap.

    Raises :class:`InvalidInputError` for a key that there is not.
    """
    direction = "DESC" if query.descending else "ASC"
    if query.order_by in _ATTRIBUTES:
        return [f"attributes.{_ATTRIBUTES[query.order_by]} {direction}"]
    # MLflow's names: letters, digits, and _ - . space : /
    found = re.fullmatch(r"(metrics|params|tags)\.([^`\"'\x00-\x1f]+)", query.order_by)
    if found is None:
        raise InvalidInputError(
            _("Runs can't be ordered by {key}.").format(key=repr(query.order_by)),
            next=_("Use started_at, ended_at, name, status, metrics.<key>, params.<key> or tags.<key>."),
        )
    return [f"{found[1]}.`{found[2]}` {direction}"]


def page_token_of(token: str) -> str:
    """Return the embedded store's page token (empty: the first page).

    Raises :class:`InvalidInputError` for one that it never gave; MLflow itself would fail in several ways.
    """
    if not token:
        return ""
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (ValueError, TypeError, KeyError):
        offset = None
    if not isinstance(offset, int) or not 0 <= offset < 2**62:
        raise InvalidInputError(
            _("The page token can't be read."), next=_("Take it from the answer before, or ask for the first page.")
        )
    return token


def quoted(text: str) -> str:
    """Return ``text`` as a string of MLflow's filter language, which has two kinds of quotes and no escapes.

    Raises :class:`InvalidInputError` where the text has both kinds.
    """
    if '"' in text and "'" in text:
        raise InvalidInputError(
            _("Runs can't be filtered by {text}.").format(text=text),
            why=_("MLflow's filters can't express a text with both kinds of quotes in it."),
        )
    return f'"{text}"' if "'" in text else f"'{text}'"


def _check(text: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.search_utils import SearchUtils

    try:
        SearchUtils.parse_search_filter(text)
    except MlflowException as error:
        why = str(error.message)
    except Exception as error:  # its parser fails on some texts in ways of its own (IndexError, AttributeError, …)
        why = str(error) or type(error).__name__
    else:
        return
    raise InvalidInputError(
        _("The filter can't be read."),
        why=why,
        next=_("For example: metrics.auc > 0.7 AND params.model = 'forest' AND attributes.status = 'FINISHED'"),
        details={"filter": text[:1000]},
    )
