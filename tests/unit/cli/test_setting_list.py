"""`contrastseg recipes --settings NAME`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from napari_contrastseg.cli import cli
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.recipes import catalogue, recipe_named


def said(*words: str) -> str:
    done = CliRunner().invoke(cli, ["recipes", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_setting_is_listed_as_it_can_be_set(name: str) -> None:
    heads = [s for s in said("--settings", name).splitlines() if not s.startswith(" ")]
    changes = "+".join(head.partition("  [")[0] for head in heads)
    typed = recipe_named(f"{name}+{changes}").presets["sound"]
    assert typed == catalogue()[name].presets["sound"]
    assert len(heads) == len(vars(typed))


def test_a_setting_says_its_range_and_meaning() -> None:
    text = said("--settings", "pcl")
    assert "near=0.1  [0 to 1]\n    Slices whose relative" in text
    assert "coarser=1.0  [0 (auto) or 1 to 32]" in text
    found = {s["name"]: s for s in json.loads(said("--settings", "pcl", "--json", "-"))}
    near = found["near"]
    assert (near["default"], near["min"], near["max"]) == (0.1, 0, 1)
    assert near["meaning"].startswith("Slices whose")
    assert found["schedule"]["choices"] == ["cosine", "constant"]
    assert found["coarser"]["choices"][0] == 0.0


def test_a_variant_is_listed_with_its_values() -> None:
    assert "near=0.5  [" in said("--settings", "pcl+near=0.5")


def test_a_recipe_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="no recipe 'magic'"):
        said("--settings", "magic")


def test_settings_and_their_words_are_read_without_torch() -> None:
    code = (
        "import sys; from napari_contrastseg.cli.setting_list import list_settings; "
        "assert list_settings('hu2021'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
