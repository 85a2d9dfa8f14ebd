"""Which global names a compiled function uses, by its instructions: also of functions made by ``exec`` or elsewhere."""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .flow import OPAQUE_NAMES
from .hints import GENERATOR_WORDS, SETTING, SQL, only_asks
from .names import Names

_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_BUILTINS = frozenset(vars(builtins))


@dataclass(frozen=True, slots=True)
class CodeNames:
    """What a function's code uses of its globals."""

    names: Names
    #: It can reach names without naming them.
    opaque: bool
    #: It may set, or ask for, the state of a random generator.
    seeds: bool
    #: Dotted names, of globals first, whose attributes or items it sets or deletes.
    stores: frozenset[str]
    #: Dotted names, of globals first, of functions that by their names set something for the whole process.
    sets: frozenset[str] = frozenset()


@lru_cache(maxsize=8192)
def names_of(code: types.CodeType) -> CodeNames:
    """Return the globals that code, and the code within it, uses. What it reads it may also change."""
    reads: set[str] = set()
    writes: set[str] = set()
    stores: set[str] = set()
    sets: set[str] = set()
    seeds = False
    for part in _with_inner(code):
        seeds |= not GENERATOR_WORDS.isdisjoint(part.co_names)
        instructions = list(dis.get_instructions(part))
        stores.update(_stores(instructions))
        sets.update(_sets(part, instructions))
        for instruction in instructions:
            if instruction.opname in _LOADS:
                reads.add(instruction.argval)
            elif instruction.opname in _STORES:
                writes.add(instruction.argval)
    opaque = not reads.isdisjoint(OPAQUE_NAMES)
    # A builtin's name stays among the reads: the notebook may bind it.
    if not reads.isdisjoint(("setattr", "delattr")):
        stores |= reads - _BUILTINS
    return CodeNames(Names(reads, writes, reads - _BUILTINS), opaque, seeds, frozenset(stores), frozenset(sets))


def _stores(instructions: list[dis.Instruction]) -> Iterator[str]:
    for index, instruction in enumerate(instructions):
        if instruction.opname in ("STORE_ATTR", "DELETE_ATTR"):
            place = index - 1
        elif instruction.opname in ("STORE_SUBSCR", "DELETE_SUBSCR"):
            place = _before_one(instructions, index - 1)
        else:
            continue
        parts: list[str] = []
        while place > 0 and instructions[place].opname == "LOAD_ATTR":
            parts.append(instructions[place].argval)
            place -= 1
        if place >= 0 and instructions[place].opname in _LOADS:
            yield ".".join(reversed([*parts, instructions[place].argval]))


def _sets(code: types.CodeType, instructions: list[dis.Instruction]) -> Iterator[str]:
    parts: list[str] = []
    #: What the statement has named so far: what one of them returns may be what is set (``a.get().set_it()``).
    named: dict[str, None] = {}
    called = False
    texts = [each for each in code.co_consts if isinstance(each, str) and each != code.co_consts[0]]
    asks = bool(texts) and all(map(only_asks, texts))
    for instruction in instructions:
        opcode, name = instruction.opname, instruction.argval
        roots: Iterable[str] = ()
        if opcode in _LOADS:
            parts, roots = [name], [""]
        elif opcode in ("LOAD_ATTR", "LOAD_METHOD") and (parts or called):
            roots = [f"{'.'.join(parts)}."] if parts else [f"{each}." for each in named]
            parts = [*parts, name] if parts else []
        elif opcode != "CACHE":
            if parts:
                named[".".join(parts)] = None
            if opcode == "POP_TOP" or opcode.startswith(("STORE_", "RETURN_")):
                named.clear()
            parts = []
        if roots and name not in _BUILTINS and (SETTING.match(name) or (name in SQL and not asks)):
            yield from (f"{each}{name}" for each in roots)
        called = opcode.startswith("CALL") or (called and opcode == "CACHE")


def _before_one(instructions: list[dis.Instruction], index: int) -> int:
    """Return the place before the instructions, up to ``index``, that put one value on the stack."""
    values = 0
    while index >= 0:
        instruction = instructions[index]
        values += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
        index -= 1
        if values >= 1:
            break
    return index


def _with_inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_inner(constant)
