"""Links of all pages lead somewhere, and strangers' questions are answered."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"(?<!`)\[[^\]\n]*(?:\n[^\]\n]+)?\]\(([^)\s]+)\)")
#: What strangers ask, the page that answers, its section ("": all of it), and a word
#: that the answer needs. Each is one click from the start page.
QUESTIONS = [
    ("Can it read my DICOM folder?", "formats.md", "", "DICOMDIR"),
    ("What does sparse mean?", "data.md", "sparse-and-done", "only the voxels"),
    ("How do I use my lab's GPU?", "cluster.md", "through-ssh", "contrastseg worker"),
    ("How do I add a file format?", "extending.md", "an-image-format", "FORMAT"),
    ("How many slices do I label?", "tutorial.md", "1-data", "two or three more"),
    ("I have masks already.", "data.md", "begin-with-a-mask-that-you-have", "take"),
    ("What is lost in a crash?", "sessions.md", "after-a-crash", "last second"),
    (
        "How do I move my work to another computer?",
        "sessions.md",
        "move-a-session-to-another-folder-or-computer",
        "Copy its whole folder",
    ),
    ("How do I annotate hundreds of scans?", "cohorts.md", "", "Next case"),
    ("Which key accepts a slice?", "reference/keys.md", "keys", "accept"),
    ("Do the masks fit my scan in 3D Slicer?", "exports.md", "", ".seg.nrrd"),
    ("Do my images leave my computer?", "formats.md", "persons", "cluster"),
    ("Does it know organs?", "limits.md", "", "knows no organ"),
    ("How good is it?", "methods.md", "figures", "Dice"),
    ("Is another tool better for cells?", "other-tools.md", "", "Cellpose"),
]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the forges and mkdocs make them."""
    return set(sections(page))


def sections(page: Path) -> dict[str, str]:
    """Text of a page by the anchor of its heading, its subsections included."""
    text = page.read_text("utf-8")
    heads = list(re.finditer(r"^(#+) (.+)$", text, re.MULTILINE))
    found = {}
    for number, head in enumerate(heads):
        level = len(head[1])
        ends = (h.start() for h in heads[number + 1 :] if len(h[1]) <= level)
        slug = re.sub(r"[^\w\- ]", "", head[2]).strip().lower().replace(" ", "-")
        found[slug] = text[head.end() : next(ends, len(text))]
    return found


def links(page: Path) -> list[str]:
    """Targets of a page's links, those in code left out."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return LINK.findall(re.sub(r"`[^`\n]+`(?!\])", "", text))


def test_every_link_leads_to_a_file_and_a_heading() -> None:
    assert len(PAGES) > 50
    wrong = {str(p.relative_to(ROOT)): found for p in PAGES if (found := [*broken(p)])}
    assert not wrong


def broken(page: Path) -> Iterator[str]:
    """Links of a page that lead nowhere."""
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if re.match(r"https?:", link):
            there = "." in urlsplit(link).netloc
        elif anchor and target.suffix == ".md" and target.exists():
            there = anchor in anchors(target)
        else:
            there = target.exists()
        if not there:
            yield link


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A head\n")
    page = tmp_path / "page.md"
    wrong = ["https://nowhere", "none.md", "other.md#tail", "#tail"]
    right = ["https://a.org", "other.md", "other.md#a-head", "#here"]
    page.write_text("# Here\n" + "".join(f"[x]({x})\n" for x in wrong + right))
    assert [*broken(page)] == wrong


@pytest.mark.parametrize(
    ("question", "page", "section", "word"), QUESTIONS, ids=[q[0] for q in QUESTIONS]
)
def test_a_strangers_question_is_answered_one_click_from_the_start(
    question: str, page: str, section: str, word: str
) -> None:
    start = {link.partition("#")[0] for link in links(DOCS / "index.md")}
    assert page in start, f"{question} {page} is not linked from the start page"
    found = sections(DOCS / page)
    text = found[section] if section else (DOCS / page).read_text("utf-8")
    assert word in " ".join(text.split()), f"{question} {page}#{section}"


def test_every_page_is_in_the_navigation() -> None:
    listed = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    missing = [p for p in pages if not p.startswith("results/methods/")]
    assert [page for page in missing if f"- {page}\n" not in listed] == []


def test_the_changelog_is_in_the_form_of_keepachangelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    for head in heads[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|not released)", head)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
    dates = [head.rsplit(" - ", 1)[1] for head in heads[1:] if head[-1].isdigit()]
    assert all(newer >= older for newer, older in pairwise(dates))
