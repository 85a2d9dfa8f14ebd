"""Expressions in a pipeline file: ``${{ parameters.x }}`` and ``${{ steps.prepare.outputs.train }}``, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

#: Names of steps, inputs, outputs: what can be a folder, a part of a URL and a word of an expression.
NAME = r"[^\W\d][\w-]{0,63}"
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", flags=re.DOTALL)
_PARAMETER = re.compile(rf"parameters\.({NAME})")
_OUTPUT = re.compile(rf"steps\.({NAME})\.outputs\.({NAME})")


@dataclass(frozen=True, slots=True)
class ParameterReference:
    """``parameters.<name>``"""

    name: str


@dataclass(frozen=True, slots=True)
class OutputReference:
    """``steps.<step>.outputs.<output>``"""

    step: str
    output: str


Reference = ParameterReference | OutputReference


def is_name(text: str) -> bool:
    """Whether ``text`` can name a step, an input or an output."""
    return re.fullmatch(NAME, text) is not None


def parse(inside: str) -> Reference | None:
    """Return what the text between the braces refers to, None where it is no expression that exists."""
    inside = inside.strip()
    if match := _PARAMETER.fullmatch(inside):
        return ParameterReference(match[1])
    if match := _OUTPUT.fullmatch(inside):
        return OutputReference(match[1], match[2])
    return None


def references(value: Any) -> Iterator[tuple[str, Reference | None]]:
    """Return each expression in a value (text, or nested lists and mappings of it): as written, and its meaning."""
    if isinstance(value, str):
        for match in _EXPRESSION.finditer(value):
            yield match[0], parse(match[1])
        if "${{" in _EXPRESSION.sub("", value):
            yield value, None  # never closed
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def single(value: Any) -> Reference | None:
    """Return the reference where a value is one expression and nothing besides."""
    if not isinstance(value, str):
        return None
    match = _EXPRESSION.fullmatch(value.strip())
    return parse(match[1]) if match else None


def fill(value: Any, look_up: Callable[[Reference], Any]) -> Any:
    """Return ``value`` with its expressions replaced. One expression alone keeps its type; within text it is text.

    ``value`` must have been checked: an expression that means nothing stays as it is.
    """
    if isinstance(value, dict):
        return {key: fill(item, look_up) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, look_up) for item in value]
    if not isinstance(value, str):
        return value
    alone = single(value)
    if alone is not None:
        return look_up(alone)

    def text(match: re.Match[str]) -> str:
        found = parse(match[1])
        if found is None:
            return match[0]
        replacement = look_up(found)
        return str(replacement).lower() if isinstance(replacement, bool) else str(replacement)

    return _EXPRESSION.sub(text, value)
