"""The commands in README and docs run, on a small data set."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

ROOT = Path(__file__).parents[2]
#: What would take minutes, or what another test runs.
SHORTER = {
    "--minutes 4": "--steps 1",
    "hu2021": "supervised",
    "--slices 24": "--slices 6",
}
ELSEWHERE = ("demo", "doctor")


def commands(page: Path) -> list[list[str]]:
    """All lines that begin with contrastseg in a page's bash blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL)
    found = []
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["contrastseg"] and words[1] not in ELSEWHERE:
                found.append(words)
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_the_commands_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i) for i in range(4))
    ]
    write_dataset(tmp_path / "DATASET", entries, {1: "core", 2: "shell"})
    found = commands(ROOT / page)
    assert len(found) >= 3
    for words in found:
        line = shlex.join(words)
        for long, short in SHORTER.items():
            line = line.replace(long, short)
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0, line


def test_the_pages_that_are_linked_exist() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
