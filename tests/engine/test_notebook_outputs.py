"""What is kept of a cell's output, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from nbformat.v4 import new_output

from jupyter_mlops.engine.notebook_outputs import CellOutputs


def stream(text: str, name: str = "stdout") -> Any:
    return new_output("stream", name=name, text=text)


def display(text: str) -> Any:
    return new_output("display_data", data={"text/plain": text})


@pytest.fixture
def outs() -> list[Any]:
    return []


def test_consecutive_text_becomes_one_output(outs: list[Any]) -> None:
    cell = CellOutputs(outs)
    for text, name in (("a", "stdout"), ("b", "stdout"), ("!", "stderr"), ("c", "stdout")):
        cell.add(stream(text, name))
    cell.add(display("picture"))
    cell.add(stream("d"))
    cell.write()

    assert [out.get("text") or out["data"]["text/plain"] for out in outs] == ["ab", "!", "c", "picture", "d"]


def test_the_beginning_and_the_end_are_kept(outs: list[Any]) -> None:
    cell = CellOutputs(outs, limit=10_000)
    for number in range(1000):
        cell.add(stream(f"line {number:04}, of some length\n"))
        if number % 100 == 0:
            cell.write()  # the notebook may be saved at any time
    cell.write()

    text = "".join(out["text"] for out in outs)
    assert text.startswith("line 0000")
    assert text.endswith("line 0999, of some length\n")
    assert "left out here" in text
    assert len(text) < 11_000


def test_one_huge_piece_of_text_is_cut(outs: list[Any]) -> None:
    cell = CellOutputs(outs, limit=1000)
    cell.add(stream("a" * 100_000 + "end"))
    cell.write()

    text = "".join(out["text"] for out in outs)
    assert text.startswith("aaa")
    assert text.endswith("end")
    assert len(text) < 1200


def test_rich_output_beyond_the_limit_is_left_out_with_a_note_but_errors_are_kept(outs: list[Any]) -> None:
    cell = CellOutputs(outs, limit=10_000)
    kept = [cell.add(display("x" * 3000)) is not None for _ in range(5)]
    cell.add(new_output("error", ename="E", evalue="bad", traceback=["t" * 300_000, "last"]))
    cell.write()

    assert kept == [True, True, True, False, False]
    assert "left out here" in outs[3]["text"]
    assert outs[-1]["ename"] == "E"
    assert outs[-1]["traceback"][-1] == "last"
    assert sum(map(len, outs[-1]["traceback"])) < 201_000


def test_many_empty_outputs_come_to_an_end(outs: list[Any]) -> None:
    cell = CellOutputs(outs, limit=10_000)
    for _ in range(10_000):
        cell.add(display(""))
        cell.add(stream("", "stderr"))

    assert len(outs) < 100
