"""The exact contrast measured: engines against SupConLoss, each in a fresh process.

Seconds are those of one forward and backward pass, the median of a few; memory is the
process's (or the GPU's) peak over what it held with its inputs made.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.measure.memory import can_begin_again, memory, settle
from napari_contrastseg.bench.measure.subprocess_runner import in_a_fresh_process
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.tasks.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

MODULE: Final = "napari_contrastseg.bench.measure.contrast"
TEMPERATURE: Final = 0.1
#: What writes all pairs down is run with at most this many rows.
MOST_DENSE: Final = 8000
#: Passes that are counted, after one that is not, up to `WARM` rows; else just one.
REPEATS, WARM = 3, 65_536
#: Rows of the growth curve.
GROWTH = (12_800, 25_600, 51_200, 102_400, 204_800)
#: Side of the matrix product whose rate is the yardstick on a GPU.
SQUARE = 8192


@dataclass(frozen=True)
class ContrastCase:
    """One engine on one size.

    Attributes
    ----------
    engine : {"streaming", "dense", "supcon", "fused"}
    precision : {"float32", "tf32", "bf16"}
        Of ``fused``.
    """

    engine: str
    n: int
    dim: int
    classes: int
    device: str
    precision: str = "float32"


def contrast(
    n: int,
    dim: int,
    classes: int,
    device: str,
    *,
    growth: bool = False,
) -> Iterator[Progress | dict[str, Any]]:
    """Measure; yields progress and the report.

    Raises
    ------
    InputError
        pytorch-metric-learning is missing, or a measurement failed.
    """
    import torch

    from napari_contrastseg.learning.runtime.device import pick_device  # noqa: PLC0415

    device = str(pick_device(device))
    few = min(n, MOST_DENSE)
    cases = {"streaming": ContrastCase("streaming", n, dim, classes, device)}
    if n > few:
        cases["streaming_at_peers"] = ContrastCase(
            "streaming", few, dim, classes, device
        )
    cases["dense"] = ContrastCase("dense", few, dim, classes, device)
    cases["supcon"] = ContrastCase("supcon", few, dim, classes, device)
    if device == "cuda":
        for precision in ("bf16", "tf32", "float32"):
            name = "fused" if precision == "bf16" else f"fused_{precision}"
            cases[name] = ContrastCase("fused", n, dim, classes, device, precision)
            few_too = ContrastCase("fused", few, dim, classes, device, precision)
            cases[f"{name}_at_peers"] = few_too
    sizes = [size for size in GROWTH if growth]
    curve = [ContrastCase("streaming", size, dim, classes, device) for size in sizes]
    report: dict[str, Any] = {
        "n": n,
        "dim": dim,
        "classes": classes,
        "device": device,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    every = [*cases.values(), *curve]
    with tempfile.TemporaryDirectory() as folder:
        results = []
        for number, case in enumerate(every):
            name = f"{case.engine}, n = {case.n}"
            yield Progress(name, number / len(every))
            order = (json.dumps(asdict(case)), str(Path(folder) / f"{number}.npy"))
            results.append(in_a_fresh_process(MODULE, name, *order))
        report |= dict(zip(cases, results, strict=False))
        _compare(report, cases, Path(folder))
    if curve:
        report["growth"] = _growth(sizes, results[len(cases) :])
    report["peak_fraction"] = None
    if device == "cuda":
        rate = matrix_rate()
        done = 6 * n**2 * dim / report["fused"]["seconds"]
        report |= {"matrix_tflops": rate / 1e12, "peak_fraction": done / rate}
    yield report


def _compare(
    report: dict[str, Any], cases: dict[str, ContrastCase], folder: Path
) -> None:
    """Hold each engine's gradient against SupConLoss's, where the sizes agree."""
    names = list(cases)
    truth = np.load(folder / f"{names.index('supcon')}.npy")
    for number, name in enumerate(names):
        if cases[name].n == cases["supcon"].n:
            found = np.load(folder / f"{number}.npy")
            apart = np.linalg.norm(found - truth) / np.linalg.norm(truth)
            report[name]["gradient_off_supcon"] = float(apart)
            report[name]["value_off_supcon"] = abs(
                report[name]["value"] - report["supcon"]["value"]
            )
    ours = report.get("streaming_at_peers", report["streaming"])
    report["times_faster"] = report["supcon"]["seconds"] / ours["seconds"]
    held = ours["extra_mb"]  # none, or nothing measurable for very few rows
    report["times_less_memory"] = report["supcon"]["extra_mb"] / held if held else None


def _growth(sizes: list[int], results: list[dict[str, Any]]) -> dict[str, Any]:
    seconds, memory_mb = ([r[k] for r in results] for k in ("seconds", "extra_mb"))
    time_slope, memory_slope = (
        float(np.polyfit(np.log(sizes), np.log(y), 1)[0]) for y in (seconds, memory_mb)
    )
    return {
        "n": sizes,
        "seconds": seconds,
        "extra_mb": memory_mb,
        "time_slope": time_slope,
        "memory_slope": memory_slope,
    }


def measure(case: ContrastCase, gradient: Path | None = None) -> dict[str, Any]:
    """Run one case here."""
    import torch

    device = torch.device(case.device)
    run = _engine(case)
    generator = torch.Generator().manual_seed(0)

    def made(n: int) -> tuple[Tensor, Tensor]:
        features = torch.randn(n, case.dim, generator=generator).to(device)
        labels = torch.randint(0, case.classes, (n,), generator=generator).to(device)
        return features.requires_grad_(), labels

    small = made(256)
    if case.engine == "fused":
        _need_kernels(*small)
    for _ in range(3):  # libraries load, kernels compile
        run(*small).backward()
    features, labels = made(case.n)
    warm = case.n <= WARM or device.type == "cuda"
    before = settle(device)
    times: list[float] = []
    for _ in range(1 + REPEATS if warm else 1):
        features.grad = None
        settle(device, peak=False)
        start = time.perf_counter()
        value = run(features, labels)
        value.backward()
        settle(device, peak=False)
        times.append(time.perf_counter() - start)
    times = times[1:] or times
    extra = memory(device) - before
    found = features.grad
    assert found is not None
    if gradient is not None and case.n <= MOST_DENSE:
        np.save(gradient, found.cpu().numpy())
    return {
        "n": case.n,
        "seconds": statistics.median(times),
        "runs": len(times),
        "extra_mb": extra / 1e6 if can_begin_again(device) else None,
        "value": value.item(),
        "grad_norm": found.norm().item(),
    }


def _need_kernels(features: Tensor, labels: Tensor) -> None:
    """Refuse to measure the tiles under the kernels' name."""
    from napari_contrastseg.learning.losses import fused, pairs  # noqa: PLC0415

    if not fused.can(features, pairs.arrange(pairs.SameLabel(labels), features.dtype)):
        raise InputError(
            "Triton's kernels do not run here; they need a CUDA GPU of capability 8.0, "
            "Triton, a C compiler and at most 128 dimensions."
        )


def _engine(case: ContrastCase) -> Callable[[Tensor, Tensor], Tensor]:
    from napari_contrastseg.learning.losses.contrast import (  # noqa: PLC0415
        contrast as ours,
    )
    from napari_contrastseg.learning.losses.pairs import SameLabel  # noqa: PLC0415

    if case.engine == "supcon":
        try:
            from pytorch_metric_learning.losses import (  # noqa: PLC0415
                SupConLoss,
            )
        except ImportError:
            raise InputError(
                "pytorch-metric-learning, the peer, is not installed; install "
                "napari-contrastseg[bench]."
            ) from None
        peer: Callable[[Tensor, Tensor], Tensor] = SupConLoss(temperature=TEMPERATURE)
        return peer

    def run(features: Tensor, labels: Tensor) -> Tensor:
        return ours(
            features,
            SameLabel(labels),
            temperature=TEMPERATURE,
            engine=case.engine,  # type: ignore[arg-type]
            precision=case.precision,  # type: ignore[arg-type]
        )

    return run


def matrix_rate() -> float:
    """Measure operations a second of a bfloat16 matrix product on the GPU."""
    import torch

    a = torch.randn(SQUARE, SQUARE, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(SQUARE, SQUARE, device="cuda", dtype=torch.bfloat16)
    times = []
    for _ in range(23):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        a @ b
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop) / 1e3)
    return float(2 * SQUARE**3 / statistics.median(times[3:]))


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw time and memory over n, both axes logarithmic."""
    from matplotlib.figure import Figure

    growth, peer = report["growth"], report["supcon"]
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, key, name in zip(
        axes, ("seconds", "extra_mb"), ("seconds", "MB over the inputs"), strict=True
    ):
        slope = growth["time_slope" if key == "seconds" else "memory_slope"]
        axis.loglog(
            growth["n"], growth[key], "o-", label=f"exact tiles, slope {slope:.2f}"
        )
        axis.loglog([peer["n"]], [peer[key]], "s", label="SupConLoss")
        axis.set(xlabel="features n", ylabel=name)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(measure(ContrastCase(**json.loads(sys.argv[1])), Path(sys.argv[2])))
    )
