"""Splits into training and test cases, and labelled slices of them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_contrastseg.io.dataset import read_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.splits import (
    Labels,
    even_slices,
    read_training,
    share_slices,
    split_cases,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_fractions_count_all_training_cases(dataset: Path, tmp_path: Path) -> None:
    partly = tmp_path / "partly"
    shutil.copytree(dataset, partly)
    for path in sorted((partly / "labelsTr").iterdir())[::2]:
        path.unlink()
    found = read_dataset(partly)
    split = split_cases(found, 0)
    training = read_training(
        found, split, Labels(fraction=0.34), axis=0, unlabelled=False
    )
    assert len(split.train) == 6
    assert len(training.labelled_cases) == 2


def test_folds_are_nested_and_apart(dataset: Path) -> None:
    found = read_dataset(dataset)
    split = split_cases(found, 3)
    names = [str(n) for n in np.random.default_rng(3).permutation(sorted(
        case.id for case in found.cases
    ))]  # fmt: skip
    assert split.test == tuple(names[-2:])
    assert split.train == tuple(names[:-2])
    assert split_cases(found, None).test == ()


def test_short_cases_give_all_they_have() -> None:
    assert share_slices(7, [10, 10, 10]) == [3, 2, 2]
    assert share_slices(24, [10, 7, 10]) == [9, 7, 8]
    with pytest.raises(InputError, match="the first 2 training cases have 9 slices"):
        share_slices(10, [4, 5])


def test_even_slices_are_spread() -> None:
    assert even_slices(10, 2).tolist() == [2, 7]
    assert even_slices(4, 4).tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="only 3"):
        even_slices(3, 4)
    with pytest.raises(InputError, match="not two"):
        Labels(slices=3, fraction=0.1)
