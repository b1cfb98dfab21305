"""A recipe that begins from the pretraining of another."""

from __future__ import annotations

import pickle  # noqa: TID251  as processes exchange settings
from typing import Any

import pytest

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.json import parse, to_plain
from napari_contrastseg.learning.plan.setting import setting_fields
from napari_contrastseg.recipes import catalogue, recipe_named, settings_of
from tests.kit.golden import request, run, small


def planned(name: str, preset: str = "sound") -> list[str]:
    recipe = recipe_named(name)
    return [s.name for s in recipe.plan(settings_of(recipe, preset)).stages]


def test_stages_of_the_pretraining_come_first() -> None:
    assert planned("mixup@chaitanya2020") == [
        "global contrast",
        "local contrast",
        "fine-tune",
    ]
    assert planned("mixup@chaitanya2020+local_strategy=none") == [
        "global contrast",
        "fine-tune",
    ]
    assert planned("simclr@hu2021")[0] == "global contrast (hu2021)", "names differ"
    assert planned("mixup@pcl@rotation")[0] == planned("rotation")[0]


def test_each_part_may_be_a_variant() -> None:
    found: Any = recipe_named("mixup+alpha=0.1@chaitanya2020+global_strategy=GR")
    settings = found.presets["sound"]
    assert settings.alpha == 0.1
    assert settings.pretraining.global_strategy == "GR"


def test_both_parts_have_one_network_and_one_input() -> None:
    for name, recipe in catalogue().items():
        if not recipe.pretrains:
            continue
        found = recipe_named(f"mean_teacher@{name}")
        for preset, settings in found.presets.items():
            theirs, own = recipe.presets[preset].network, settings.network
            assert own == settings.pretraining.network
            assert own.widths == theirs.widths
            assert own.dropout >= found.presets[preset].network.dropout
            assert settings.neighbours == settings.pretraining.neighbours


def test_what_one_part_names_holds_for_both() -> None:
    widths = 'network={"widths":[8,16]}'
    for name in (f"mixup+{widths}@simclr", f"mixup@simclr+{widths}"):
        settings = recipe_named(name).presets["literal"]
        assert settings.network.widths == (8, 16)
        assert settings.pretraining.network == settings.network


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mixup@supervised", "supervised has no pretraining that mixup could begin"),
        ("mixup@magic", "no recipe 'magic'"),
        ("mixup+neighbours=1@simclr+neighbours=0", "neighbours: one network learns"),
    ],
)
def test_parts_that_do_not_fit_are_refused(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        recipe_named(name)


@pytest.mark.parametrize("name", ["mixup@chaitanya2020", "mixup@pcl@rotation"])
def test_settings_go_to_other_processes_and_into_files(name: str) -> None:
    for settings in recipe_named(name).presets.values():
        sent = pickle.dumps(settings)
        assert pickle.loads(sent) == settings  # noqa: S301  just made
        assert parse(type(settings), to_plain(settings), "here") == settings
        assert set(setting_fields(type(settings))) >= {"alpha", "pretraining"}


def asked(name: str, **changes: Any) -> Any:
    settings = small(recipe_named(name).presets["sound"])
    pretraining = small(settings.pretraining)
    settings = type(settings)(**vars(settings) | {"pretraining": pretraining})
    return request(name, settings=settings, **changes)


def test_the_last_stage_goes_on_from_the_pretraining() -> None:
    model, losses = run(asked("mixup@simclr"))
    assert list(losses) == ["global contrast", "fine-tune"]
    assert model.card.recipe == "mixup@simclr"
    assert model.card.settings["pretraining"]["temperature"] == 0.5
    _, alone = run(request("mixup"))
    assert losses["fine-tune"] != alone["fine-tune"]
