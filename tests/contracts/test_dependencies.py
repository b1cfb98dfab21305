"""The lists of what the package needs agree: pip's, the oldest versions, conda's."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import napari_contrastseg

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
BOUND = re.compile(r"([\w.-]+)>=([\w.]+)")
#: What conda-forge calls a package of PyPI, where the names differ.
ON_CONDA_FORGE = {"torch": "pytorch", "openTSNE": "opentsne"}


def bounds(requirements: list[str]) -> dict[str, str]:
    """Give the lower bound of each; those without one name extras."""
    found = (BOUND.fullmatch(one) for one in requirements)
    return {one[1]: one[2] for one in found if one}


def needed() -> dict[str, str]:
    return bounds(PROJECT["project"]["dependencies"])


def optional() -> dict[str, str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    return bounds([one for extra in extras for one in extra])


def recipe() -> Any:
    return yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text("utf-8"))


def test_every_requirement_has_a_lower_bound() -> None:
    assert len(needed()) == len(PROJECT["project"]["dependencies"])


def test_the_oldest_versions_are_the_lower_bounds() -> None:
    text = (ROOT / "constraints-oldest.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert dict(line.split("==") for line in lines) == needed() | optional()


def test_tests_ask_for_the_versions_that_the_extras_ask_for() -> None:
    asked = bounds(PROJECT["dependency-groups"]["tests"])
    shared = asked.keys() & optional().keys()
    assert shared
    assert {name: asked[name] for name in shared} == {
        name: optional()[name] for name in shared
    }


def test_the_pinned_versions_are_allowed() -> None:
    text = (ROOT / "constraints.txt").read_text("utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE))
    pinned = {name.lower(): version for name, version in pinned.items()}
    for name, bound in needed().items():
        assert numbers(pinned[name.lower()]) >= numbers(bound), name


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def test_conda_asks_for_what_pip_asks_for() -> None:
    run = dict(line.split(" >=") for line in recipe()["requirements"]["run"])
    python = run.pop("python")
    assert run == {
        ON_CONDA_FORGE.get(name, name): bound for name, bound in needed().items()
    }
    assert python == "${{ python_min }}"
    context = recipe()["context"]
    assert PROJECT["project"]["requires-python"] == f">={context['python_min']}"


def test_conda_builds_this_version_as_pip_does() -> None:
    assert recipe()["context"]["version"] == napari_contrastseg.__version__
    (script,) = PROJECT["project"]["scripts"].items()
    assert recipe()["build"]["python"]["entry_points"] == [" = ".join(script)]
    (build,) = PROJECT["build-system"]["requires"]
    assert build.replace(">=", " >=") in recipe()["requirements"]["host"]


def test_other_pythons_are_those_that_the_package_names() -> None:
    classifiers = PROJECT["project"]["classifiers"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    nox = (ROOT / "noxfile.py").read_text("utf-8")
    assert f"PYTHONS = {named}".replace("'", '"') in nox
