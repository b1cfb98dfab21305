"""The Triton kernels: interpreted on the CPU, compiled for Hopper, run on CUDA.

As a script this file is what the interpreter runs: Triton reads TRITON_INTERPRET when
the kernels are imported, so that it needs a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from napari_contrastseg.learning.losses import fused
from napari_contrastseg.learning.losses.contrast import contrast, unit
from napari_contrastseg.learning.losses.pairs import SameLabel, arrange
from napari_contrastseg.learning.runtime.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAU = 0.1
DENOMINATORS = ("all", "single")
triton = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is missing")


def random_features(n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(n + d))


def random_rule(n: int, parts: str) -> SameLabel:
    """Five classes, and more of the rule for each letter of `parts`."""
    generator = torch.Generator().manual_seed(n)
    labels = torch.randint(0, 5, (n,), generator=generator)
    weights = torch.rand(n, generator=generator)
    weights[:3] = 0
    if "u" in parts:
        labels[torch.rand(n, generator=generator) < 0.1] = -1
    return SameLabel(
        labels,
        anchors=labels > 0 if "a" in parts else None,
        weights=weights if "w" in parts else None,
        segments=torch.arange(n) % 3 if "s" in parts else None,
        balanced="b" in parts,
    )


def moved(rule: SameLabel, device: str, dtype: torch.dtype) -> SameLabel:
    optional = (rule.anchors, rule.weights, rule.segments)
    anchors, weights, segments = (x if x is None else x.to(device) for x in optional)
    weights = None if weights is None else weights.to(dtype)
    return SameLabel(rule.labels.to(device), anchors, weights, segments, rule.balanced)


def both(features: Tensor, rule: SameLabel, **options: Any) -> tuple[Tensor, Tensor]:
    """Value and gradient."""
    leaf = features.detach().clone().requires_grad_()
    value = contrast(leaf, rule, temperature=TAU, **options)
    return value.detach(), torch.autograd.grad(value, leaf)[0]


def errors(features: Tensor, rule: SameLabel, **options: Any) -> tuple[float, float]:
    """Of value and gradient, relative to float64 by `dense`; absolute where it is 0."""
    device = features.device.type
    exact, exact_grad = both(
        features.double(),
        moved(rule, device, torch.float64),
        denominator=options["denominator"],
        engine="dense",
    )
    value, grad = both(features, moved(rule, device, torch.float32), **options)
    size, length = exact.abs().item() or 1.0, exact_grad.norm().item() or 1.0
    off = (value - exact).abs().item() / size
    return off, (grad - exact_grad).norm().item() / length


# -- in the interpreter --------------------------------------------------------

#: n and the parts of the rule.
INTERPRETED = [(1, ""), (300, ""), (300, "ab"), (300, "abswu")]


def shared(*, single: bool) -> tuple[float, float]:
    """Difference of what two ranks work out, one after the other, from the whole."""
    rows = arrange(random_rule(300, "abswu"), torch.float32)
    z = unit(random_features(300, 20))[rows.order]

    def worked(ranks: Ranks) -> tuple[Tensor, ...]:
        logs, excess, pull = fused.row_sums(
            z, rows, TAU, "float32", single=single, ranks=ranks
        )
        return logs.exp() * (rows.shares > 0), excess, pull

    logs, _, pull = fused.row_sums(z, rows, TAU, "float32", single=single)

    def pulled(ranks: Ranks) -> Tensor:
        return fused.gradient(
            z, rows, logs, pull, TAU, "float32", single=single, ranks=ranks
        )

    whole, grad = worked(Ranks()), pulled(Ranks())
    with mock.patch.object(Ranks, "add_up", lambda _, tensor: tensor):
        pair = Ranks(0, 2), Ranks(1, 2)
        parts, grads = [worked(one) for one in pair], [pulled(one) for one in pair]
    assert all((one != 0).any() for one in (*grads, parts[0][0], parts[1][0]))
    used = whole if single else whole[:1]
    off = max(
        (sum(part[k] for part in parts) - one).abs().max().item() / one.abs().max()
        for k, one in enumerate(used)
    )
    return float(off), float((sum(grads) - grad).norm() / grad.norm())


def interpret() -> None:
    """Print the errors of each case; the kernels' own gate wants CUDA."""
    found = {}
    launches = mock.Mock(wraps=fused.row_sums)
    with (
        mock.patch.object(fused, "can", return_value=True),
        mock.patch.object(fused, "row_sums", launches),
    ):
        for n, parts in INTERPRETED:
            for denominator in DENOMINATORS:
                found[f"{n} {parts} {denominator}"] = errors(
                    random_features(n, 20),
                    random_rule(n, parts),
                    denominator=denominator,
                    engine="fused",
                )
    assert launches.call_count == len(found)
    found |= {f"shared {single}": shared(single=single) for single in (False, True)}
    sys.stdout.write(json.dumps(found))


@pytest.fixture(scope="module")
def interpreted() -> dict[str, tuple[float, float]]:
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, __file__],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[float, float]] = json.loads(done.stdout)
    return found


@triton
@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize(("n", "parts"), INTERPRETED)
def test_interpreted_kernels_equal_dense(
    interpreted: dict[str, tuple[float, float]], n: int, parts: str, denominator: str
) -> None:
    value, grad = interpreted[f"{n} {parts} {denominator}"]
    assert value < 1e-5
    assert grad < 1e-4


@triton
@pytest.mark.parametrize("single", [False, True])
def test_interpreted_kernels_share_their_rows(
    interpreted: dict[str, tuple[float, float]], *, single: bool
) -> None:
    sums, grad = interpreted[f"shared {single}"]
    assert sums < 1e-6
    assert grad < 1e-6


# -- compiled for Hopper, without one ------------------------------------------

INTEGERS = ("starts", "stops", "firsts", "lasts", "reaches")


@triton
@pytest.mark.parametrize(
    ("half", "capability", "shared"),
    [(True, 90, 232_448), (False, 86, 101_376)],
)
def test_gradient_compiles_for_data_centres_and_laptops(
    half: bool,
    capability: int,
    shared: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compiler = pytest.importorskip("triton.compiler")
    backends = pytest.importorskip("triton.backends.compiler")
    from napari_contrastseg.learning.losses import kernels

    kernel = kernels.gradient_single
    shape = kernel.shape(half=half, roomy=shared > kernels.ROOMY)
    height, width, warps, stages = shape
    constants = {
        "SINGLE": True,
        "PRODUCT": fused.PRODUCTS["bf16" if half else "float32"],
        "HEIGHT": height,
        "WIDTH": width,
        "DIM": 128,
    }
    names = kernel.jit.arg_names
    kinds = dict.fromkeys(constants, "constexpr")
    for name in set(names) - set(constants):
        halves = "bf16" if half and name in ("scaled", "z") else "fp32"
        kinds[name] = "*i32" if name in INTEGERS else f"*{halves}"
    source = compiler.ASTSource(
        kernel.jit,
        {name: kinds[name] for name in names},
        {(names.index(name),): value for name, value in constants.items()},
        {
            (place,): [["tt.divisibility", 16]]
            for place, name in enumerate(names)
            if name not in constants
        },
    )
    made = compiler.compile(
        source,
        target=backends.GPUTarget("cuda", capability, 32),
        options={"num_warps": warps, "num_stages": stages},
    )
    assert ("wgmma" if capability == 90 else "mma.sync") in made.asm["ptx"]
    assert made.metadata.shared <= shared


# -- on CUDA -------------------------------------------------------------------


def cuda(test: Any) -> Any:
    """Mark a test as one for a CUDA device."""
    missing = not torch.cuda.is_available()
    return pytest.mark.gpu(pytest.mark.skipif(missing, reason="no CUDA device")(test))


@triton
@cuda
@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("parts", ["", "abswu"])
@pytest.mark.parametrize(
    ("precision", "value_bound", "grad_bound"),
    [("float32", 1e-5, 1e-4), ("tf32", 1e-3, 3e-3), ("bf16", 5e-3, 3e-2)],
)
def test_fused_is_near_float64(
    denominator: str,
    parts: str,
    precision: str,
    value_bound: float,
    grad_bound: float,
) -> None:
    with mock.patch.object(fused, "row_sums", wraps=fused.row_sums) as launches:
        value, grad = errors(
            random_features(2000, 64).cuda(),
            random_rule(2000, parts),
            denominator=denominator,
            engine="fused",
            precision=precision,
        )
    assert launches.call_count == 1
    assert value < value_bound
    assert grad < grad_bound


@cuda
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_streaming_on_cuda_is_near_float64(denominator: str) -> None:
    value, grad = errors(
        random_features(2000, 64).cuda(),
        random_rule(2000, "abswu"),
        denominator=denominator,
        engine="streaming",
    )
    assert value < 1e-5
    assert grad < 1e-4


@triton
@cuda
@pytest.mark.parametrize("single", [False, True])
def test_kernels_are_repeatable(*, single: bool) -> None:
    rule = moved(random_rule(2000, "abswu"), "cuda", torch.float32)
    rows = arrange(rule, torch.float32)
    z = unit(random_features(2000, 64).cuda())[rows.order]

    def run() -> tuple[Tensor, ...]:
        logs, excess, pull = fused.row_sums(z, rows, TAU, "float32", single=single)
        grad = fused.gradient(z, rows, logs, pull, TAU, "float32", single=single)
        return logs, excess, pull, grad

    for first, second in zip(run(), run(), strict=True):
        assert torch.equal(first, second)


@triton
@cuda
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`")
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_compiled_equals_eager(denominator: Any) -> None:
    features = random_features(500, 64).cuda()
    rule = moved(random_rule(500, "ab"), "cuda", torch.float32)

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        made = SameLabel(labels, rule.anchors, balanced=True)
        return contrast(
            x, made, temperature=TAU, denominator=denominator, engine="fused"
        )

    leaf = features.clone().requires_grad_()
    value = torch.compile(loss, fullgraph=True, backend="aot_eager")(leaf, rule.labels)
    (grad,) = torch.autograd.grad(value, leaf)
    eager = both(features, rule, denominator=denominator, engine="fused")
    torch.testing.assert_close((value.detach(), grad), eager)


@pytest.fixture
def waits_fail() -> Iterator[Any]:
    """Make what waits for the device an error, from the call on."""
    yield lambda: torch.cuda.set_sync_debug_mode("error")
    if torch.cuda.is_available():
        torch.cuda.set_sync_debug_mode("default")


@triton
@cuda
@pytest.mark.parametrize("denominator", DENOMINATORS)
def test_fused_never_waits_for_the_device(waits_fail: Any, denominator: str) -> None:
    features = random_features(2000, 64).cuda()
    rule = moved(random_rule(2000, "abswu"), "cuda", torch.float32)
    both(features, rule, denominator=denominator, engine="fused")  # warm-up
    waits_fail()
    both(features, rule, denominator=denominator, engine="fused")


if __name__ == "__main__":
    interpret()
