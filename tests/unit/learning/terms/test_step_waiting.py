"""A step never waits for the device."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from napari_contrastseg.learning.data.batch import Batch
from napari_contrastseg.learning.losses.segmentation import hard_dice
from napari_contrastseg.learning.networks.spec import NetworkSpec
from napari_contrastseg.learning.networks.unet import UNet
from napari_contrastseg.learning.runtime.rng import Randomness
from napari_contrastseg.learning.terms import local_contrast
from napari_contrastseg.learning.terms.global_contrast import GlobalContrast
from napari_contrastseg.learning.terms.step import Step
from napari_contrastseg.learning.terms.supervised import Supervised
from tests.kit.tensors import seeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_contrastseg.learning.terms.step_loss import StepLoss

SMALL = NetworkSpec(widths=(4, 8))
#: Operators whose result, or its size, the host must wait for.
WAITING = {
    "_local_scalar_dense",
    "bincount",
    "equal",
    "is_nonzero",
    "item",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "_unique",
    "_unique2",
    "unique_dim",
}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}
BY_LABEL = partial(
    local_contrast.LocalContrast, balanced=True, negatives_per_anchor=1.0
)
LOCAL: dict[str, Any] = {
    "exact": partial(BY_LABEL, sampling="exact"),
    "block": partial(BY_LABEL, sampling="block", block=8),
    "stride": partial(BY_LABEL, sampling="stride", stride=2),
    "place": partial(local_contrast.PlaceContrast, stride=2),
}


class WaitsError(Exception):
    """The host would wait for the device here."""


class NoWaiting(TorchDispatchMode):
    """Raises where the host would wait; inside one operator all is allowed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: set[str] = set()
        self.inside = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        name = func.overloadpacket.__name__
        self.seen.add(name)
        masks = args[1] if name in INDEXED else ()
        by_mask = any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in masks
        )
        sized = name == "repeat_interleave" and "output_size" in (kwargs or {})
        if by_mask or (name in WAITING and not sized):
            raise WaitsError(name)
        self.inside = True
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.inside = False

    def guarding(self, method: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        """Guard a method that is no operator."""

        def guarded(tensor: Tensor) -> Any:
            if not self.inside:
                raise WaitsError(method.__name__)
            return method(tensor)

        return guarded


@pytest.mark.parametrize(
    "asks",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.masked_fill_(x > 0, 1)[torch.arange(2)].nonzero(),
        lambda x: x.unique(),
        lambda x: x.index_put_((x > 0,), torch.tensor(1.0)),
        lambda x: x.masked_select(x > 0),
    ],
)
def test_waiting_is_noticed(asks: Callable[[Tensor], Any]) -> None:
    with NoWaiting():
        torch.arange(4.0)[torch.arange(2)].cumsum(0).where(torch.ones(2) > 0, 0.0)
        with pytest.raises(WaitsError):
            asks(torch.arange(4.0))


def one_hot(target: Tensor, classes: int) -> Tensor:
    """As torch's, which looks at the values on a CPU and there alone."""
    return (target.unsqueeze(-1) == torch.arange(classes)).long()


@pytest.mark.parametrize("limit", [0, 50])
@pytest.mark.parametrize("kind", LOCAL)
def test_a_step_never_waits_for_the_device(
    kind: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_contrast, "is_asynchronous", lambda _: True)
    monkeypatch.setattr(functional, "one_hot", one_hot)
    network = UNet(1, 3, SMALL)
    every: list[StepLoss] = [
        Supervised(network),
        LOCAL[kind](network, tap="dec1", temperature=0.1, foreground_limit=limit),
        GlobalContrast(network, temperature=0.1),
    ]
    modules = nn.ModuleList([network, *every])
    views = [
        Batch(
            torch.rand(3, 1, 16, 24, generator=seeded(seed)),
            torch.randint(-1, 3, (3, 16, 24), generator=seeded(2)),
            torch.rand(3, 16, 24, generator=seeded(3)).round(),
        )
        for seed in range(2)
    ]
    optimiser = torch.optim.AdamW(modules.parameters(), fused=True)
    rng = np.random.default_rng(0)
    mode = NoWaiting()
    monkeypatch.setattr(torch.Tensor, "tolist", mode.guarding(torch.Tensor.tolist))
    with Randomness(0).scope(), mode:
        step = Step(network, views, rng)
        loss = torch.stack([term(step) for term in every]).sum()
        step.backward(loss)
        dice = hard_dice(step.logits.detach(), step.target, step.weight)
        nn.utils.clip_grad_norm_(modules.parameters(), 5.0)
        optimiser.step()
    monkeypatch.undo()
    assert {"contrast", "contrast_gradient", "convolution_backward"} <= mode.seen
    assert math.isfinite(loss.item())
    assert 0 <= dice.item() <= 1
