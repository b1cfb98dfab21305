"""Plain English: words of a private dialect stay out of code, messages and docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / "src").rglob("*.py"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "docs").glob("*.py"),
    ROOT / "noxfile.py",
    *(ROOT / ".github").rglob("*.*"),
    *ROOT.glob("*.md"),
]
#: Each with what to write instead.
DIALECT = {
    r"\b(anew|afresh)\b": "again, from scratch, over",
    r"\bastray\b": "wrong",
    r"(?<!there )(?<!that )\bis no (?!longer\b|more\b)[a-z]": "is not a ...",
    r"(?<!\.)\b(tells?|telling|told)\b(?!.{0,40}\bapart\b)": "says, shows, is given",
    r"\bsure from\b": "confidence over",
    r"\bin hand\b": "chosen",
    r"\blent\b": "used by, borrowed",
}


@pytest.mark.parametrize("pattern", DIALECT, ids=lambda pattern: pattern.strip("\\b()"))
def test_no_words_of_a_private_dialect(pattern: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in PAGES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line, re.IGNORECASE)
    ]
    assert not found, f"write {DIALECT[pattern]}:\n" + "\n".join(found)
