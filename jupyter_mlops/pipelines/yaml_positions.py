"""YAML with the place of everything in it: what a person is told names line and column."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ..i18n import gettext as _
from .types import Problem

#: A pipeline of 1,000 steps takes about 100 KB; what is larger is not a pipeline file.
MAX_BYTES = 512 * 1024
_MAX_DEPTH = 20
_MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the file, 1-based."""

    line: int
    column: int

    def problem(self, message: str, fix: str = "") -> Problem:
        """Return a problem at this place."""
        return Problem(message=message, line=self.line, column=self.column, fix=fix)


WHOLE_FILE = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Located:
    """A value (scalar, ``list[Located]`` or ``dict[str, Entry]``) and where it begins."""

    value: Any
    place: Place

    def plain(self) -> Any:
        """Return the value without its places."""
        if isinstance(self.value, dict):
            return {key: entry.value.plain() for key, entry in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    @property
    def kind(self) -> str:
        """What the value is, in words."""
        return kind_of(self.value)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a mapping: where its key stands, and its value."""

    key_place: Place
    value: Located


def kind_of(value: Any) -> str:
    """Say what a value is in the words of YAML."""
    names = {
        dict: _("a mapping"),
        list: _("a list"),
        str: _("text"),
        bool: _("true or false"),
        int: _("a whole number"),
        float: _("a number"),
        type(None): _("nothing"),
    }
    return names.get(type(value)) or type(value).__name__


def load(raw: bytes, size: int) -> tuple[Located | None, list[Problem]]:
    """Read YAML. Returns the document (None where there is none to go on with) and what is wrong with it as YAML.

    ``size`` is the file's; above ``MAX_BYTES`` its content is not looked at.
    """
    if size > MAX_BYTES:
        message = _("The file is {size:.1f} MB large; a pipeline file has at most {limit:.1f} MB.").format(
            size=size / 1e6, limit=MAX_BYTES / 1e6
        )
        return None, [WHOLE_FILE.problem(message, _("Is this the file you meant? Data belongs in files of its own."))]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        return None, [Place(line, column).problem(_("The file is not UTF-8 text."), _("Save it as UTF-8."))]
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else WHOLE_FILE
        message = _("This is not YAML: {problem}.").format(problem=error.problem or error.context or str(error))
        fix = (
            _("YAML is indented by spaces.") if "\t" in (error.problem or "") else _("Look at this line and above it.")
        )
        return None, [place.problem(message, fix)]
    except yaml.YAMLError as error:  # control characters
        return None, [WHOLE_FILE.problem(_("This is not YAML: {problem}.").format(problem=str(error).split("\n")[0]))]
    except RecursionError:
        return None, [WHOLE_FILE.problem(_("The file is nested too deeply."))]
    if node is None:
        return None, [Place(1, 1).problem(_("The file is empty."), _("Begin with `name:` and `steps:`."))]
    builder = _Builder()
    return builder.build(node, 0), builder.problems


class _Builder:
    """Turns YAML nodes into located values."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._nodes = 0

    def build(self, node: yaml.Node, depth: int) -> Located:
        place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:  # aliases can unfold to any size
            if self._nodes <= _MAX_NODES + 1:
                self._nodes = _MAX_NODES + 2
                self.problems.append(
                    place.problem(_("The file is nested too deeply, or too large."), _("Pass large values as a file."))
                )
            return Located(None, place)
        if isinstance(node, yaml.MappingNode):
            return Located(self._mapping(node, depth), place)
        if isinstance(node, yaml.SequenceNode):
            return Located([self.build(item, depth + 1) for item in node.value], place)
        return Located(self._scalar(node, place), place)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            key_place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(key_place.problem(_("A key must be text."), _("Write `key: value`.")))
                continue
            key = str(key_node.value)  # as written: `on: 1` is the key "on", whatever YAML 1.1 makes of it
            if key in found:
                message = _("'{key}' stands here a second time (first in line {line}).").format(
                    key=key, line=found[key].key_place.line
                )
                self.problems.append(key_place.problem(message, _("Give one of them another name, or remove it.")))
                continue
            found[key] = Entry(key_place, self.build(value_node, depth + 1))
        return found

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        try:
            value = yaml.SafeLoader("").construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            message = _("This value can't be read: {problem}.").format(problem=getattr(error, "problem", None) or error)
            self.problems.append(place.problem(message, _("Put it in quotes if it is text.")))
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.problems.append(
                place.problem(_("Infinite numbers and .nan can't be passed on."), _("Use null, or text in quotes."))
            )
            return None
        if value is None or isinstance(value, (str, bool, int, float)):
            return value
        message = _("'{text}' is read as {type}, which can't be passed to a notebook.").format(
            text=node.value, type=type(value).__name__
        )
        self.problems.append(place.problem(message, _('Put it in quotes: "{text}"').format(text=node.value)))
        return str(node.value)


def texts(node: Located) -> Iterator[tuple[Place, str]]:
    """Yield every text value at or below a node, with its place."""
    if isinstance(node.value, str):
        yield node.place, node.value
    elif isinstance(node.value, dict):
        for entry in node.value.values():
            yield from texts(entry.value)
    elif isinstance(node.value, list):
        for item in node.value:
            yield from texts(item)
