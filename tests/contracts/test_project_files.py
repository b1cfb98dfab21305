"""Files for those who take part: citation, workflows, one version of napari."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import napari_contrastseg

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


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
