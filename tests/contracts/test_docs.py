"""The commands in README and docs run, on a small data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.pages import commands, run, write_phantoms

ROOT = Path(__file__).parents[2]
SHORTER = {
    "--minutes 4": "--steps 1",
    "hu2021": "supervised",
    "--slices 24": "--slices 6",
}


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_the_commands_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_phantoms(tmp_path / "DATASET")
    found = commands(ROOT / page)
    assert len(found) >= 3
    for words in found:
        run(words, SHORTER, monkeypatch)
