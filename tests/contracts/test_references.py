"""References in the source resolve: a page of the docs, or a paper in their list."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAPERS = (ROOT / "docs" / "references.md").read_text()
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
    assert len(SOURCES) > 500
    assert PAGE.findall('see docs/a.md, "What it does"') == [
        ("docs/a.md", "What it does")
    ]
    found = PAPER.findall("Hu 2021; Pan et al. 2018; Zadrozny and Elkan (2002)")
    assert found == [("Hu", "2021"), ("Pan", "2018"), ("Zadrozny", "2002")]
    cited = 'Nobody 1999; see docs/none.md and docs/methods.md, "Nowhere"'
    assert [*unknown(cited)] == [
        "docs/none.md does not exist",
        "docs/methods.md has no section 'Nowhere'",
        "Nobody 1999 is not in docs/references.md",
    ]


def test_pages_and_papers_that_the_source_cites_exist() -> None:
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in SOURCES
        if (found := [*unknown(joined(path.read_text()))])
    }
    assert not wrong


def unknown(text: str) -> Iterator[str]:
    """Say which pages, sections and papers a text cites that there are not."""
    for name, heading in PAGE.findall(text):
        page = ROOT / name
        if name == "table.md":  # what `bench methods` writes
            continue
        if not name.startswith(("docs/", "README")):
            yield f"{name}: say where it lies"
        elif not page.is_file():
            yield f"{name} does not exist"
        elif heading and heading not in headings(page):
            yield f"{name} has no section {heading!r}"
    for author, year in PAPER.findall(text):
        entry = rf"^- .*\b{author}\b.*\b{year}\b"
        if author not in NO_AUTHORS and not re.search(entry, PAPERS, re.MULTILINE):
            yield f"{author} {year} is not in docs/references.md"
