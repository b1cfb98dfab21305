"""The commands of a page of the docs, run on a small data set."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg import cli
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.samples.samples import phantom

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: What would take minutes, or what another test runs.
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


def write_phantoms(folder: Path) -> None:
    """Write a data set of four labelled phantoms."""
    entries = [
        LabelledVolume(s.volume, s.truth.astype(np.int16))
        for s in (phantom(i) for i in range(4))
    ]
    write_dataset(folder, entries, {1: "core", 2: "shell"})


def run(
    words: list[str], shorter: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run a command, with some of its words replaced; it must succeed."""
    line = shlex.join(words)
    for long, short in shorter.items():
        line = line.replace(long, short)
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0, line
