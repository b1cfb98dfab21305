"""The examples of docs/extending.md, applied to a copy of the package, work."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "src/napari_contrastseg"
PAGE = ROOT / "docs" / "extending.md"
#: A path alone in its line, and the block after it: a new file, or a change of one.
BLOCK = re.compile(r"(?sm)^`(src/\S+)`\n\n```(python|diff)\n(.*?)^```")

#: Files of the package that each section touches.
TOUCHED = {
    "A recipe": ["recipes/easy_first.py"],
    "An image format": ["io/formats/npz.py", "napari.yaml"],
    "An export": ["tasks/exports/volumes.py"],
    "A query strategy": ["query/largest_area.py"],
    "A step of the dock": [
        "ui/data/goal_controller.py",
        "ui/data/goal_panel.py",
        "ui/dock.py",
    ],
    "A setting": ["recipes/easy_first.py"],
    "A journal entry": ["session/journal_entries.py", "session/session.py"],
}
#: Contract tests that hold for the new plug-ins as they stand.
CONTRACTS = {
    "test_recipes.py": [
        "test_a_recipe_trains_predicts_and_returns_from_disk[easy_first]",
        "test_other_seeds_give_other_weights[easy_first]",
    ],
    "test_settings.py": ["easy_first-sound", "easy_first-literal"],
    "test_formats.py": ["[npz-.npz]", "test_the_manifest_names"],
    "test_exports.py": ["[volumes]"],
    "test_query.py": ["[largest_area]"],
}


@dataclass(frozen=True)
class Copy:
    """A copy of the package with the examples, and what each section changed."""

    root: Path
    touched: dict[str, list[str]]
    dock_lines: list[str]

    @property
    def files(self) -> list[Path]:
        """Python files that sections touched, each once."""
        names = {name for touched in self.touched.values() for name in touched}
        return [self.root / PACKAGE / n for n in sorted(names) if n.endswith(".py")]


def contents(root: Path) -> dict[str, bytes]:
    package = root / PACKAGE
    return {
        path.relative_to(package).as_posix(): path.read_bytes()
        for path in package.rglob("*")
        if path.is_file()
    }


def changed(text: str, diff: str) -> str:
    """Apply hunks that `@@` separates; each fits in one place."""
    for hunk in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        lines = [line or " " for line in hunk.splitlines()]
        old = "".join(f"{line[1:]}\n" for line in lines if line[0] in " -")
        new = "".join(f"{line[1:]}\n" for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"found {text.count(old)} times:\n{old}"
        text = text.replace(old, new)
    return text


def apply(section: str, root: Path) -> None:
    for name, kind, block in BLOCK.findall(section):
        path = root / name
        if kind == "diff":
            path.write_text(changed(path.read_text(), block))
        else:
            assert path.parent.is_dir()
            assert not path.exists()
            path.write_text(block)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The package with all examples of the page, applied as they stand."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(
        ROOT / PACKAGE, root / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    begun = before = contents(root)
    touched = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        apply(section, root)
        after = contents(root)
        names = sorted(n for n in after if after[n] != before.get(n))
        touched[section.splitlines()[0]] = names
        before = after
    dock = before["ui/dock.py"].decode().splitlines()
    old = begun["ui/dock.py"].decode().splitlines()
    assert [line for line in dock if line in old] == old
    return Copy(root, touched, [line for line in dock if line not in old])


def test_a_section_touches_the_files_that_it_should(copy: Copy) -> None:
    assert copy.touched == TOUCHED


def test_a_step_is_one_line_of_the_dock_and_its_import(copy: Copy) -> None:
    module = "napari_contrastseg.ui.data.goal_controller"
    assert copy.dock_lines == [
        f"from {module} import GoalController",
        "    GoalController,",
    ]


def run(copy: Copy, *command: str) -> str:
    """Run a command on the copy, from this repository; gives what it printed."""
    environment = os.environ | {"PYTHONPATH": str(copy.root / "src")}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_examples_are_written_as_the_package_is(copy: Copy) -> None:
    ruff = shutil.which("ruff", path=Path(sys.executable).parent)
    if ruff is None:
        pytest.skip("ruff is not installed beside this Python; nox -s lint runs it")
    files = [str(path) for path in copy.files]
    config = ("--no-cache", "--config", str(ROOT / "pyproject.toml"))
    run(copy, ruff, "check", *config, *files)
    run(copy, ruff, "format", "--check", *config, *files)


def test_the_examples_keep_the_contracts_of_imports(copy: Copy) -> None:
    lint = shutil.which("lint-imports", path=Path(sys.executable).parent)
    if lint is None:
        pytest.skip("import-linter is not installed here; nox -s lint runs it")
    run(copy, lint, "--no-cache")


@pytest.mark.slow
def test_the_examples_work(copy: Copy) -> None:
    """What the page says of them, and the contract tests of their kinds."""
    here = Path(__file__).parent
    names = [name for part in CONTRACTS.values() for name in part]
    wanted = " or ".join(["extended_copy", *(n.strip("[]") for n in names)])
    files = [here / "extended_copy.py", *(here / name for name in CONTRACTS)]
    printed = run(
        copy,
        *(sys.executable, "-m", "pytest", "-v", "--no-xvfb", "-p", "no:cacheprovider"),
        *("-m", "", "-k", wanted, *map(str, files)),  # slow ones of others, too
    )
    passed = re.findall(r"(\w+\.py)::(\S+) PASSED", printed)
    for file, some in CONTRACTS.items():
        for name in some:
            assert any(f == file and name in test for f, test in passed), name
    assert sum(file == "extended_copy.py" for file, _ in passed) == 4
