"""References in the source resolve: a page of the docs, or a paper in their list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGE = re.compile(r'([\w./-]+\.md)(?:(?:,|#)\s*"([^"]+)")?')
#: "Hu 2021", "Hu et al. 2021", "Zadrozny and Elkan (2002)", also over a line's end.
PAPER = re.compile(
    r"\b([A-Z][\w-]+)(?:\s+et\s+al\.,?|\s+and\s+[A-Z][\w-]+)?\s+\(?((?:19|20)\d\d)\b"
)
#: Venues and data sets that a year follows.
NO_AUTHORS = {
    *("MICCAI", "ICLR", "NeurIPS", "ISBI", "ICML", "ICASSP", "CVPR", "ICCV", "TNNLS"),
    *("Analysis", "CSSL", "IDEAL", "CLCC"),
}


def joined(text: str) -> str:
    """Read comments and docstrings as running text."""
    return re.sub(r"\s*\n\s*(?:#:?\s*)?", " ", text)


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+\s+(.+)$", page.read_text(), flags=re.MULTILINE)


def test_the_patterns_find_what_they_should() -> None:
    assert PAGE.findall('see docs/a.md, "What it does"') == [
        ("docs/a.md", "What it does")
    ]
    found = PAPER.findall("Hu 2021; Pan et al. 2018; Zadrozny and Elkan (2002)")
    assert found == [("Hu", "2021"), ("Pan", "2018"), ("Zadrozny", "2002")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_pages_and_papers_that_the_source_cites_exist(path: Path) -> None:
    text = joined(path.read_text())
    for name, heading in PAGE.findall(text):
        page = ROOT / name
        if name == "table.md":  # what `bench methods` writes
            continue
        assert name.startswith(("docs/", "README")), f"{name}: say where it lies"
        assert page.is_file(), f"{name} does not exist"
        if heading:
            assert heading in headings(page), f"{name} has no section {heading!r}"
    papers = (ROOT / "docs" / "references.md").read_text()
    for author, year in PAPER.findall(text):
        if author not in NO_AUTHORS:
            entry = rf"^- .*\b{author}\b.*\b{year}\b"
            cited = f"{author} {year} is not in docs/references.md"
            assert re.search(entry, papers, flags=re.MULTILINE), cited
