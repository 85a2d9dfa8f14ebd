"""Whether what lies where a cell wrote a file is that file, or what another program has put in its place since.

An audit event tells that a file is about to be opened, none that it was made or closed. So a new file's inode is
looked at with the next event, of whatever kind: who replaces it before that is not seen, nor who writes into it.
"""

from __future__ import annotations

from .file_digests import Signature, signature_of


class WrittenPlaces:
    """The inodes of the files that one cell has written."""

    def __init__(self) -> None:
        self._inodes: dict[str, int] = {}
        #: Files that were opened to be made, and have not been seen since.
        self.awaited: dict[str, None] = {}
        #: Files of others in which the cell found, or to which it added, something after it had written its own.
        self._others: dict[str, None] = {}

    def opens(self, path: str, found: Signature | None, *, writes: bool, empties: bool) -> bool:
        """Take in that the cell opens a file; return whether it has written one here, and another lies there now."""
        known = self._inodes.get(path)
        replaced = known is not None and found is not None and found[2] != known
        if empties:
            self._others.pop(path, None)
        elif replaced:
            self._others[path] = None
        if writes and found is not None:
            self._inodes[path] = found[2]
        elif writes:
            self._inodes.pop(path, None)
            self.awaited[path] = None
        return replaced and not empties

    def look(self) -> None:
        """Look at the files that were about to be made."""
        for path in list(self.awaited):
            found = signature_of(path)
            if found is not None:
                self._inodes[path] = found[2]
                self.awaited.pop(path, None)  # another thread may have done so

    def renames(self, source: str, target: str, found: Signature | None) -> None:
        """Take in that what lies at one place, as it was ``found``, is about to lie at another."""
        others = source in self._others or (found is not None and self._inodes.get(source, found[2]) != found[2])
        self.loses(source)
        self.loses(target)
        if found is not None:
            self._inodes[target] = found[2]
        if others:
            self._others[target] = None

    def loses(self, path: str) -> None:
        """Take in that the cell is about to remove or to replace what lies at a place."""
        self._inodes.pop(path, None)
        self.awaited.pop(path, None)
        self._others.pop(path, None)

    def is_others(self, path: str, now: Signature | None) -> bool:
        """Whether what is ``now`` at a place is another file than the cell's."""
        known = self._inodes.get(path)
        return path in self._others or (known is not None and now is not None and now[2] != known)
