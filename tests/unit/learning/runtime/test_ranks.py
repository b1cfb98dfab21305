"""Two ranks give what one device gives: exchanges, contrast, networks and norms."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.runtime import device as d
from napari_contrastseg.learning.runtime.ranks import ALONE, Ranks
from tests.kit import ranks as kit


@pytest.fixture(scope="module")
def in_two() -> dict[Any, Any]:
    found: dict[Any, Any] = kit.in_two(kit.everything)
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [0, 1, 3, 7, 8])
def test_ranks_part_a_batch_evenly(n: int, count: int) -> None:
    parts = [list(range(n))[Ranks(rank, count).rows(n)] for rank in range(count)]
    assert [row for part in parts for row in part] == list(range(n))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_all_ranks_have_the_number_of_the_first(in_two: dict[Any, Any]) -> None:
    assert in_two["agreed"] == 10.0
    assert ALONE.agreed(3.0) == 3.0


def test_ranks_share_the_tiles_of_a_contrast(in_two: dict[Any, Any]) -> None:
    assert in_two["tiles"] in (kit.tiles_of(ALONE) // 2, kit.tiles_of(ALONE) // 2 + 1)


@pytest.mark.parametrize("case", kit.CONTRASTS, ids=str)
def test_a_shared_contrast_is_that_of_one_device(
    case: tuple[str, torch.dtype, bool], in_two: dict[Any, Any]
) -> None:
    denominator, dtype, hard = case
    exact = dtype == torch.float64
    for engine in ("streaming", "dense") if exact else ("streaming",):
        whole = kit.contrasted(ALONE, denominator, dtype, hard=hard, engine=engine)
        for one, other in zip(in_two[case], whole, strict=True):
            assert (one - other).norm() < (1e-12 if exact else 1e-6) * other.norm()


@pytest.mark.parametrize("case", kit.PASSES, ids=str)
def test_a_shared_network_is_that_of_one_device(
    case: tuple[str, int, bool], in_two: dict[Any, Any]
) -> None:
    name, slices, still = case
    whole = kit.passed(ALONE, name, slices, still=still)
    assert whole.keys() == in_two[case].keys()
    torch.testing.assert_close(in_two[case], whole, rtol=1e-9, atol=1e-9)


def test_batch_norms_would_differ_by_the_slices_of_one_rank() -> None:
    whole = kit.passed(ALONE, "batch", 3)
    part = kit.passed(ALONE, "batch", 2)
    name = "encoder.0.1.running_var"
    assert not torch.allclose(whole[name], part[name], rtol=1e-3)


def test_ranks_listen_on_this_computer_alone(in_two: dict[Any, Any]) -> None:
    assert in_two["listens"] <= {"127.0.0.1", "::1"}


def test_more_devices_than_there_are_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "A100")
    assert [str(x) for x in d.pick_devices("cuda", 2)] == ["cuda:0", "cuda:1"]
    with pytest.raises(InputError, match="3 devices are asked for and 2 CUDA GPUs"):
        d.pick_devices("auto", 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    with pytest.raises(InputError, match=r"are of different kinds \(GPU 0, GPU 1\)"):
        d.pick_devices("cuda", 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="2 devices are asked for and 0 CUDA GPUs"):
        d.pick_devices("auto", 2)
    assert d.pick_devices("cpu", 2) == (torch.device("cpu"),) * 2
