"""Order of steps: what needs what."""

from __future__ import annotations

Graph = dict[str, list[str]]


def in_order(graph: Graph) -> list[str]:
    """Return the steps so that each comes after what it needs, otherwise as written. The graph must have no cycle."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        stack = [(name, iter(graph[name]))]
        while stack:
            current, needs = stack[-1]
            for need in needs:
                if need not in done:
                    stack.append((need, iter(graph[need])))
                    break
            else:
                done[current] = None
                stack.pop()

    for name in graph:
        if name not in done:
            visit(name)
    return list(done)


def cycles(graph: Graph) -> list[list[str]]:
    """Return rings of steps that wait for each other, each step in at most one of them; empty: there is none."""
    found: list[list[str]] = []
    state: dict[str, int] = {}  # 1: on the way, 2: done
    for start in graph:
        if start in state:
            continue
        path = [start]
        state[start] = 1
        stack = [iter(graph[start])]
        while stack:
            for need in stack[-1]:
                if state.get(need) == 1:
                    ring = path[path.index(need) :]
                    if not any(set(ring) & set(other) for other in found):
                        found.append(ring)
                elif need not in state:
                    state[need] = 1
                    path.append(need)
                    stack.append(iter(graph[need]))
                    break
            else:
                state[path.pop()] = 2
                stack.pop()
    return found


def downstream(graph: Graph, name: str) -> set[str]:
    """Return every step that needs ``name``, directly or through others."""
    found: set[str] = set()
    grown = True
    while grown:
        more = {step for step, needs in graph.items() if step not in found and (name in needs or found & set(needs))}
        grown = bool(more)
        found |= more
    return found
