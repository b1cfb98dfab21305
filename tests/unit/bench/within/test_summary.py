"""Cells put together: means, errors beside linear's, whether more labels help."""

from __future__ import annotations

from typing import Any

from napari_contrastseg.bench.within.summary import summarise, table


def a_cell(case: str, slices: int, method: str, dice: float | None) -> dict[str, Any]:
    return {
        "case": case,
        "slices": slices,
        "method": method,
        "dice": dice,
        "first_s": 0.1,
        "final_s": 1.0,
    }


def test_means_and_errors_are_over_cases() -> None:
    found = summarise(
        [
            a_cell("a", 3, "linear", 0.8),
            a_cell("b", 3, "linear", 0.6),
            a_cell("a", 3, "cubic", 0.9),
            a_cell("b", 3, "cubic", 0.5),
            a_cell("a", 3, "mine", 0.9),
            a_cell("b", 3, "mine", 0.75),
            a_cell("a", 5, "mine", 0.95),
        ]
    )
    assert found["summary"]["mine"] == {"3": 0.825, "5": 0.95}
    assert found["cases"]["mine"] == {"3": 2, "5": 1}
    # errors .1 and .25 beside .2 and .4
    assert found["error_to_linear"]["mine"] == {"3": round(0.35 / 0.6, 4), "5": None}
    assert found["error_to_linear"]["linear"] == {"3": 1.0}
    assert found["best_plain"] == {"3": 0.7}
    assert found["final_s"]["mine"] == {"3": 1.0, "5": 1.0}
    assert "mine    0.825     1.0 s  0.950     1.0 s" in table(found)


def test_more_labels_may_cost_no_more_than_a_little_in_the_mean() -> None:
    def monotone(*dices: tuple[float, ...]) -> bool:
        cells = [
            a_cell(f"case {number}", count, "mine", dice)
            for number, row in enumerate(dices)
            for count, dice in zip((3, 5, 8), row, strict=False)
        ]
        return bool(summarise(cells)["monotone"]["mine"])

    assert monotone((0.8, 0.85, 0.9))
    assert monotone((0.8, 0.795, 0.9))  # what is allowed
    assert not monotone((0.8, 0.794, 0.9))
    assert monotone((0.8, 0.7, 0.9), (0.7, 0.8, 0.9))  # in the mean it rises
    assert not monotone((0.8, 0.796, 0.792))  # by little steps
    assert monotone((0.9, 0.91), (0.7, 0.8, 0.85))  # on cases that have both


def test_a_case_without_a_score_does_not_count() -> None:
    found = summarise([a_cell("a", 3, "linear", None), a_cell("b", 3, "linear", 0.5)])
    assert found["cases"]["linear"] == {"3": 1}
    assert found["summary"]["linear"] == {"3": 0.5}
