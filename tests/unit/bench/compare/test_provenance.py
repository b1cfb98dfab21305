"""Results say which version and commit they were made with."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from napari_contrastseg import __version__
from napari_contrastseg.bench.compare import provenance

if TYPE_CHECKING:
    from pathlib import Path

NEEDS_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *words: str) -> str:
    own = ("-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *own, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package in a source checkout, with another one that git does not know."""
    folder = tmp_path / "src" / "package"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    installed = tmp_path / "venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    return folder


@NEEDS_GIT
def test_the_commit_is_that_of_the_checkout(package: Path, tmp_path: Path) -> None:
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    (tmp_path / "result.json").write_text("{}")
    assert provenance.commit(package) == head
    (package / "__init__.py").write_text("changed = True")
    assert provenance.commit(package) == f"{head}-dirty"


@NEEDS_GIT
def test_an_installed_package_has_no_commit(package: Path, tmp_path: Path) -> None:
    assert provenance.commit(tmp_path / "venv" / "package") is None
    assert provenance.commit(tmp_path / "nowhere") is None


@NEEDS_GIT
def test_without_git_there_is_no_commit(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(package) is None
    assert provenance.provenance() == {"version": __version__, "commit": None}
