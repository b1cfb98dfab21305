"""Values of an existing mask: what is found, what each becomes, what is asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_contrastseg.io.segments import Segment
from napari_contrastseg.session.classes import AnnotationClass
from napari_contrastseg.session.mask_values import (
    AS_BACKGROUND,
    AS_IGNORED,
    MOST_VALUES,
    Examined,
    KnownClasses,
    Role,
    TooManyValuesError,
    as_truth,
    count_values,
    decide,
    decide_new,
    decide_one_new,
    examine,
    keep_decisions,
)

LIVER = AnnotationClass(1, "liver", "#ff0000")
SPLEEN = AnnotationClass(2, "spleen", "#00ff00")
BOTH = KnownClasses((LIVER, SPLEEN))
UNUSED = KnownClasses((AnnotationClass(1, "class 1", "#e69f00"),), frozenset({1}))


def mask(*values: int, kind: Any = np.int32) -> Any:
    """Value k on k + 1 voxels, in the order that is given."""
    flat = np.repeat(values, np.arange(1, len(values) + 1))
    return flat.astype(kind).reshape(-1, 1, 1)


def becomes(found: Examined) -> dict[int, tuple[str, int]]:
    return {v.value: (v.becomes.role.name, v.becomes.number) for v in found.values}


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.uint64, np.int16])
def test_voxels_are_counted_as_numpy_counts_them(kind: Any) -> None:
    labels = np.random.default_rng(0).integers(0, 90, (5, 6, 7)).astype(kind)
    labels[0, 0, 0] = 90 if np.dtype(kind).itemsize == 1 else 30_000
    values, counts = np.unique(labels, return_counts=True)
    wanted = dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert count_values(labels) == wanted


def test_values_far_apart_are_counted_without_a_table_of_all_between() -> None:
    labels = np.array([[[0, -(2**40)]], [[2**40, 2**40]]])
    assert count_values(labels) == {-(2**40): 1, 0: 1, 2**40: 2}


def test_classes_that_there_are_and_new_ones_ask_nothing() -> None:
    found = examine(mask(0, 1, 2, 7), BOTH)
    assert becomes(found) == {
        0: ("BACKGROUND", 0),
        1: ("EXISTING", 1),
        2: ("EXISTING", 2),
        7: ("NEW", 7),
    }
    assert [v.voxels for v in found.values] == [1, 2, 3, 4]
    assert not found.questions


def test_a_bool_mask_is_class_1() -> None:
    found = examine(mask(0, 1, kind=np.bool_), UNUSED)
    assert becomes(found)[1] == ("EXISTING", 1)
    assert not found.questions


@pytest.mark.parametrize("value", [255, 65535])
def test_0_and_255_are_background_and_class_1(value: int) -> None:
    found = examine(mask(0, value), UNUSED)
    assert becomes(found)[value] == ("EXISTING", 1)
    (entry,) = [v.becomes.entry for v in found.values if v.becomes.entry]
    assert (entry.name, entry.original) == ("class 1", value)
    assert len(found.questions) == 1
    used = examine(mask(0, value), BOTH)
    assert becomes(used)[value] == ("EXISTING", 1)


def test_255_beside_classes_and_negative_values_are_ignored_if_nobody_objects() -> None:
    found = examine(mask(-1, 0, 1, 255), BOTH)
    assert becomes(found) == {
        -1: ("IGNORED", -1),
        0: ("BACKGROUND", 0),
        1: ("EXISTING", 1),
        255: ("IGNORED", -1),
    }
    assert found.questions


def test_numbers_of_an_atlas_become_free_ones_and_are_kept() -> None:
    found = examine(mask(0, 3, 1021, 2035), BOTH)
    entries = {v.value: v.becomes.entry for v in found.values if v.becomes.entry}
    assert {v: (e.id, e.original) for v, e in entries.items()} == {
        3: (3, None),
        1021: (5, 1021),
        2035: (4, 2035),  # more voxels
    }
    assert entries[2035].name == "class 2035"
    assert found.questions
    after = KnownClasses((LIVER, SPLEEN, *entries.values()))
    again = examine(mask(0, 2035, 3, 4), after)
    assert becomes(again)[2035] == ("EXISTING", 4), "as in the mask before"
    assert becomes(again)[3] == ("EXISTING", 3)
    assert becomes(again)[4][0] == "NEW"
    assert becomes(again)[4][1] not in (4, 5)


def test_a_number_too_large_for_a_mask_is_not_kept() -> None:
    for found in (
        examine(mask(0, 2**40, kind=np.int64), UNUSED),
        examine(mask(0, 3, 2**40, kind=np.int64), BOTH),
    ):
        (entry,) = [v.becomes.entry for v in found.values if v.value == 2**40]
        assert entry is not None
        assert entry.original is None


def test_of_300_values_those_with_most_voxels_get_numbers() -> None:
    found = examine(mask(*range(301)), UNUSED)
    ids = [v.becomes.entry.id for v in found.values if v.becomes.entry]
    assert sorted(ids) == list(range(1, 255))
    ignored = [v.value for v in found.values if v.becomes.role is Role.IGNORED]
    assert 255 in ignored
    kept = {v.value for v in found.values if v.becomes.entry}
    assert set(range(256, 301)) <= kept, "they have most voxels"
    assert "not enough numbers" in " ".join(found.questions)


def test_a_number_that_a_model_speaks_of_is_passed_over() -> None:
    classes = KnownClasses((LIVER,), taken=frozenset({2}))
    (new,) = [v.becomes.entry for v in examine(mask(0, 2), classes).values][1:]
    assert new is not None
    assert (new.id, new.original) == (3, 2)


def test_names_of_the_file_find_their_classes_and_name_new_ones() -> None:
    segments = [Segment(1, "Spleen"), Segment(2, "kidney", "#0000ff")]
    found = examine(mask(0, 1, 2), BOTH, segments)
    assert becomes(found)[1] == ("EXISTING", 2), "by its name, not by its number"
    new = found.values[2].becomes.entry
    assert new is not None
    assert (new.id, new.name, new.colour, new.original) == (3, "kidney", "#0000ff", 2)
    assert "called kidney" in " ".join(found.questions)
    fresh = examine(mask(0, 1, 2), UNUSED, segments)
    assert [v.becomes.number for v in fresh.values] == [0, 1, 2]
    assert fresh.values[1].becomes.role is Role.NEW, "in place of the unused class 1"
    assert not fresh.questions


def test_two_segments_of_one_name_stay_two_classes() -> None:
    found = examine(mask(0, 1, 2), UNUSED, [Segment(1, "a"), Segment(2, "a")])
    names = [v.becomes.entry.name for v in found.values if v.becomes.entry]
    assert len(set(names)) == 2


def test_instances_are_asked_about() -> None:
    assert "objects of one class" in examine(mask(*range(30)), BOTH).questions[0]


def test_an_empty_mask_is_background() -> None:
    found = examine(np.zeros((2, 3, 4), np.uint8), BOTH)
    assert becomes(found) == {0: ("BACKGROUND", 0)}
    assert not found.questions
    nothing = examine(np.zeros((2, 3, 4)), BOTH, known=np.zeros((2, 3, 4), bool))
    assert not nothing.values


def test_an_image_of_very_many_values_is_refused_and_not_listed() -> None:
    many = np.arange(MOST_VALUES + 10).reshape(1, 1, -1)
    with pytest.raises(TooManyValuesError):
        examine(many, BOTH)


def test_voxels_become_what_was_decided() -> None:
    labels = mask(0, 1, -5, 300)
    values = examine(labels, BOTH).values
    values = decide(values, {1}, AS_BACKGROUND)
    values = decide_new(values, {300}, BOTH)
    known = np.ones(labels.shape, bool)
    known[0] = False
    truth = as_truth(labels, values, known)[:, 0, 0]
    assert truth.tolist() == [-1, 0, 0, -1, -1, -1, 3, 3, 3, 3]
    one = decide_one_new(values, {0, 300, 1}, BOTH)
    assert {v.becomes.number for v in one} == {-1, 3}
    entry = one[-1].becomes.entry
    assert entry is not None
    assert entry.original is None, "of several values there is no way back"
    assert {v.becomes for v in decide(values, {1, 300}, AS_IGNORED)[2:]} == {AS_IGNORED}


def test_decisions_outlive_other_classes_only_where_they_can() -> None:
    values = examine(mask(0, 1, 5, 300), BOTH).values
    values = decide(values, {5}, values[1].becomes)
    now = KnownClasses((SPLEEN, AnnotationClass(3, "new here", "#123456")))
    kept = keep_decisions(examine(mask(0, 1, 5, 300), now).values, values, now)
    entries = [v.becomes.entry for v in kept if v.becomes.entry]
    assert LIVER not in entries, "it was deleted"
    assert [v.becomes.role for v in kept[1:]] == [Role.NEW] * 3
    assert 3 not in [e.id for e in entries], "somebody else has it by now"
