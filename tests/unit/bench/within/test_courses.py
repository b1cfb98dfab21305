"""Courses of annotators put together."""

from __future__ import annotations

from typing import Any

import pytest

from napari_contrastseg.bench.within.courses import minutes_to, summarise


def points(*dices: float) -> list[dict[str, Any]]:
    return [
        {"annotator_seconds": 60.0 * number, "dice": dice}
        for number, dice in enumerate(dices, start=1)
    ]


def test_minutes_are_those_from_which_the_dice_holds() -> None:
    assert minutes_to(0.9, points(0.5, 0.9, 0.95)) == 2
    assert minutes_to(0.9, points(0.95, 0.5, 0.9)) == 3
    assert minutes_to(0.9, points(0.95, 0.89)) is None
    assert minutes_to(0.9, []) is None


def a_cell(case: str, method: str, to: float | None, *dices: float) -> dict[str, Any]:
    rounds = [
        {
            "settled": 3 + number,
            "annotator_seconds": 60.0,
            "dice_before": 0.5,
            "dice": dice,
            "open_before": 0.6 if number else None,
            "open_dice": 0.7,
            "final_s": 2.0,
            "steps": 1,
        }
        for number, dice in enumerate(dices)
    ]
    return {
        "case": case,
        "method": method,
        "minutes_to": dict.fromkeys(("0.85", "0.9", "0.95"), to),
        "rounds": rounds,
    }


def test_the_rival_has_the_better_of_the_plain_ways_in_each_volume() -> None:
    found = summarise(
        [
            a_cell("a", "linear", 4.0),
            a_cell("a", "cubic", 3.0),
            a_cell("a", "mine", 2.0),
            a_cell("b", "linear", 5.0),
            a_cell("b", "cubic", None),
            a_cell("b", "mine", 2.0),
            a_cell("c", "linear", None),
            a_cell("c", "cubic", 9.0),
            a_cell("c", "mine", None),
        ],
        "mine",
    )
    assert found["levels"]["0.95"] == {
        "minutes": 2.0,
        "rival_minutes": 4.0,
        "ratio": 0.5,
        "cases": 2,
        "not_reached": ["c"],
        "rival_not_reached": [],
    }


def test_rounds_are_held_against_the_one_before() -> None:
    found = summarise(
        [a_cell("a", "mine", 1.0, 0.8, 0.9, 0.88), a_cell("b", "mine", 1.0, 0.7, 0.71)],
        "mine",
    )
    rounds = found["rounds"]
    assert rounds["gains"] == {"2": pytest.approx(0.055), "3": pytest.approx(-0.02)}
    assert rounds["open_gains"] == {"2": pytest.approx(0.1), "3": pytest.approx(0.1)}
    assert rounds["gains_over_shown"] == {
        "1": pytest.approx(0.25),
        "2": pytest.approx(0.305),
        "3": pytest.approx(0.38),
    }
    assert rounds["any_mean_fell"] is True
    assert rounds["worst"] == {"case": "a", "round": 3, "gain": pytest.approx(-0.02)}
    assert rounds["fell"] == ["a"]
    assert [point["slices"] for point in found["points"]] == [3, 4, 5]
    assert found["points"][0]["mean_dice"] == 0.75
    assert found["points"][2]["cases"] == 1
