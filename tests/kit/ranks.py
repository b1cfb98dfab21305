"""What two ranks work out: functions that run in this process and in another."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import psutil
import torch
from torch import Tensor

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.losses import streaming
from napari_contrastseg.learning.losses.contrast import contrast
from napari_contrastseg.learning.losses.pairs import HardNegatives, SameLabel
from napari_contrastseg.learning.networks.feature_maps import ForwardPass
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.tasks import train, train_axis
from napari_contrastseg.tasks.rank_processes import other_ranks
from tests.kit.golden import request, run
from tests.kit.tensors import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.runtime.ranks import Ranks
    from napari_contrastseg.tasks.requests import TrainRequest

CPU = torch.device("cpu")
#: Rows of the contrast: several tiles.
ROWS = 1200


def in_two(work: Callable[..., Any], *arguments: Any) -> Any:
    """Let two ranks do some work on the CPU; what this one's gave."""
    with other_ranks(beside, (work, *arguments), (CPU, CPU)) as ranks:
        return work(ranks, *arguments)


def beside(
    ranks: Ranks, device: torch.device, work: Callable[..., Any], *arguments: Any
) -> None:
    work(ranks, *arguments)


# -- the contrast --------------------------------------------------------------


def contrasted(
    ranks: Ranks, denominator: Any, dtype: torch.dtype, *, hard: bool, **options: Any
) -> tuple[Tensor, Tensor]:
    """Value and gradient of a rule with all its parts."""
    generator = seeded(5)
    z = torch.randn(ROWS, 8, dtype=torch.float64, generator=generator).to(dtype)
    labels = torch.randint(-1, 4, (ROWS,), generator=generator)
    weights = torch.rand(ROWS, dtype=torch.float64, generator=generator).to(dtype)
    draws = torch.rand(2, ROWS, dtype=torch.float64, generator=generator)
    rule = SameLabel(
        labels,
        (labels > 0) & (torch.rand(ROWS, generator=generator) < 0.8),
        weights,
        torch.randint(0, 2, (ROWS,), generator=generator),
        balanced=True,
        hard=HardNegatives(draws[0], draws[1], 0.4) if hard else None,
    )
    leaf = z.requires_grad_()
    value = contrast(
        leaf, rule, temperature=0.2, denominator=denominator, ranks=ranks, **options
    )
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def tiles_of(ranks: Ranks) -> int:
    """How many tiles a rank works out."""
    with mock.patch.object(
        streaming, "_by_threads", wraps=streaming._by_threads
    ) as worked:
        contrasted(ranks, "all", torch.float32, hard=False)
    return sum(len(call.args[1]) for call in worked.call_args_list)


# -- a network -----------------------------------------------------------------

#: Networks: name, spec.
NETWORKS = {
    norm: NetworkSpec(widths=(4, 8, 8), norm=norm, decoder_norm=norm)
    for norm in ("instance-batch", "batch", "instance", "group", "none")
} | {
    "dropout": NetworkSpec(widths=(4, 8, 8), dropout=0.5),
    "two decoders": NetworkSpec(widths=(4, 8, 8), peer=True),
}


def passed(
    ranks: Ranks, name: str, slices: int, *, still: bool = False
) -> dict[str, Tensor]:
    """Maps of a network, its gradients by an uneven loss, and its buffers."""
    randomness = Randomness(0)
    with randomness.scope():
        network = UNet(1, 3, NETWORKS[name]).double().train()
        image = torch.randn(slices, 1, 16, 16, dtype=torch.float64)
        images = ForwardPass(network, image, still=still, ranks=ranks)
        names = ["logits", "enc1", "bottleneck"]
        names += ["peer"] if name == "two decoders" else []
        found = {tap: images.map(tap) for tap in names}
        slopes = [torch.randn(x.shape, dtype=torch.float64) for x in found.values()]
    loss = sum((x * x * s).sum() for x, s in zip(found.values(), slopes, strict=True))
    assert isinstance(loss, Tensor)
    loss.backward()
    ranks.average_gradients(network.parameters())
    found = {tap: x.detach() for tap, x in found.items()}
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None
        found[f"gradient of {key}"] = parameter.grad
    return found | dict(network.named_buffers())


# -- all in one ----------------------------------------------------------------

CONTRASTS: list[tuple[str, torch.dtype, bool]] = [
    (denominator, dtype, hard)
    for denominator in ("all", "single")
    for dtype in (torch.float32, torch.float64)
    for hard in (False, True)
]
PASSES = [
    *((name, slices, False) for name in NETWORKS for slices in (3, 1)),
    ("batch", 4, True),
]


def everything(ranks: Ranks) -> dict[Any, Any]:
    """All that the tests compare, from one pair of processes."""
    found: dict[Any, Any] = {
        case: contrasted(ranks, case[0], case[1], hard=case[2]) for case in CONTRASTS
    }
    found |= {case: passed(ranks, case[0], case[1], still=case[2]) for case in PASSES}
    found["agreed"] = ranks.agreed(10.0 + ranks.rank)
    found["tiles"] = tiles_of(ranks)
    here = psutil.Process().net_connections(kind="inet")
    found["listens"] = {one.laddr.ip for one in here if one.status == "LISTEN"}
    return found


# -- ranks that fail -----------------------------------------------------------


def fails(ranks: Ranks, way: str) -> None:
    """Fail on the second rank, while the first one waits for it."""
    if ranks.rank:
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if way == "a sentence":
            raise InputError("The images are of wood.")
        raise ZeroDivisionError("by nothing")
    ranks.meet()


def left_alone(ranks: Ranks) -> None:
    """Fail on the first rank, while the second one waits for it."""
    if not ranks.rank:
        raise ZeroDivisionError("here")
    ranks.meet()


# -- recipes -------------------------------------------------------------------


def of_one_slice(recipe: str) -> TrainRequest:
    return request(recipe, settings=replace(request(recipe).settings, batch=1))


#: By recipe; the last one's batch is smaller than the number of devices.
REQUESTS = {
    "hu2021": request("hu2021"),
    "one slice": of_one_slice("supervised"),
}


def learned(ranks: Ranks) -> dict[str, Any]:
    """Train the networks of every request; models, and losses of each stage."""
    shared = partial(train_axis._trained, ranks, CPU)
    with mock.patch.object(train, "train_axis", shared):
        return {name: run(asked) for name, asked in REQUESTS.items()}
