"""What a walk over objects came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from .names import Names


@dataclass(slots=True)
class Reached:
    """What was found from one value."""

    #: Identities of objects that can change, and of those that hold some (a program may ask whether it ``is`` the
    #: same), in the order of the walk: another order is another arrangement.
    ids: dict[int, None] = field(default_factory=dict)
    #: Names of the notebook's namespace that functions on the way read, bind, or change when they are called.
    uses: Names = field(default_factory=Names)
    #: A function on the way reaches names without naming them (``exec``), or the namespace itself was reached.
    opaque: bool = False
    #: A function on the way may set the state of a global random generator.
    seeds: bool = False
    #: Dotted names, of the notebook's first, whose attributes or items functions on the way set or delete.
    stores: set[str] = field(default_factory=set)
    #: Dotted names, of the notebook's first, of functions that set something for the whole process, called there.
    sets: set[str] = field(default_factory=set)
    #: Names of the user's own modules on the way.
    modules: set[str] = field(default_factory=set)
    #: Bytes in buffers: arrays, strings, tensors.
    size: int = 0
    #: More was there than :data:`NODE_LIMIT`.
    truncated: bool = False
    #: An extension's object was met whose references can't be seen: it may share anything that it was made from.
    unseen: bool = False
    #: Where the memory under arrays and tensors begins → where it ends.
    memory: dict[int, int] = field(default_factory=dict)
    #: Some of that memory may be that of an object of another library, to which no reference leads.
    foreign: bool = False
    #: Reading it (a property, an operator, a subscript, formatting) may run code that changes it.
    acts: bool = False
    #: It leads to an iterator: unpacking it, or adding what it gives to a list, changes it.
    iterates: bool = False
    #: A class on the way has a ``__del__``: the end of an object does something.
    ends: bool = False

    def include(self, other: Reached) -> None:
        """Take in what a walk from one of the objects found."""
        self.ids.update(other.ids)
        self.uses.add(other.uses)
        self.stores |= other.stores
        self.sets |= other.sets
        self.modules |= other.modules
        self.size += other.size
        for address, end in other.memory.items():
            self.memory[address] = max(end, self.memory.get(address, 0))
        for flag in _FLAGS:
            if getattr(other, flag):
                setattr(self, flag, True)


_FLAGS = ("opaque", "seeds", "truncated", "unseen", "foreign", "acts", "iterates", "ends")
