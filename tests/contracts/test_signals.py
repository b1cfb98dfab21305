"""Qt's signals are connected so that PyQt6 and PySide6 give the same arguments."""

from __future__ import annotations

import ast
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"


def connected_to_emit(source: str) -> list[int]:
    """Lines in which something is connected to a signal's ``emit``.

    PySide6 calls ``emit`` with all arguments, or with none where the first signal has a
    default for its own (``clicked``), and it raises where the second one takes others.
    Connected to the signal itself, Qt passes as many as it takes.
    """
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "connect"
        and any(isinstance(a, ast.Attribute) and a.attr == "emit" for a in node.args)
    ]


def test_signals_are_connected_to_signals() -> None:
    found = {
        f"{path.relative_to(SRC)}:{line}"
        for path in SRC.rglob("*.py")
        for line in connected_to_emit(path.read_text("utf-8"))
    }
    assert not found


def test_emit_is_found() -> None:
    assert connected_to_emit("a.clicked.connect(self.b.emit)") == [1]
    assert connected_to_emit("a.clicked.connect(self.b)") == []
