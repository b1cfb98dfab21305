"""Files for those who take part: links lead somewhere, the version is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import napari_contrastseg

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the forges and mkdocs make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-")
        for head in heads
    }


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(name: str) -> None:
    for target, anchor in LINK.findall((ROOT / name).read_text("utf-8")):
        page = ROOT / target
        assert page.exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(page), f"{name}: {target}#{anchor}"


def test_the_citation_names_this_version_and_the_five_papers() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited["version"] == napari_contrastseg.__version__
    papers = {paper["title"].lower() for paper in cited["references"]}
    references = (ROOT / "docs" / "references.md").read_text("utf-8").lower()
    assert len(papers) == 5
    assert all(title in references for title in papers)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_name_sessions_that_nox_has(path: Path) -> None:
    sessions = set(
        re.findall(
            r"@nox\.session\ndef (\w+)", (ROOT / "noxfile.py").read_text("utf-8")
        )
    )
    commands = [
        words
        for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
        for step in job["steps"]
        if (words := re.search(r"nox -s ([\w ]+)", step.get("run", "")))
    ]
    assert commands
    assert all(set(words[1].split()) <= sessions for words in commands)


def test_pages_name_the_napari_that_the_package_asks_for() -> None:
    asked = re.search(
        r'"napari>=([\d.]+)"', (ROOT / "pyproject.toml").read_text("utf-8")
    )
    assert asked is not None
    for name in ("README.md", "docs/install.md"):
        text = " ".join((ROOT / name).read_text("utf-8").split())
        assert re.findall(r"napari ([\d.]+) or newer", text) == [asked[1]], name
