"""Results of a cluster beside those of one process, while parts of it are killed."""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_contrastseg.bench.cluster.local_cluster import LocalCluster, local_cluster
from napari_contrastseg.io.dataset import LabelledVolume, write_dataset
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.samples.samples import phantom_cohort
from napari_contrastseg.tasks.cluster.prediction import predict_on_cluster
from napari_contrastseg.tasks.cluster.training import train_on_cluster
from napari_contrastseg.tasks.dataset import (
    CHECKPOINT,
    DatasetTraining,
    train_on_dataset,
)
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.file_prediction import FilePrediction, predict_files
from napari_contrastseg.tasks.splits import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

#: Cases that are predicted, and steps of each of the recipe's three stages.
CASES: Final = 40
STEPS: Final = 40
#: Its checkpoints between stages come soon.
RECIPE: Final = "hu2021"
_TOO_SHORT: Final = "The run was over before a part was killed; take more steps."


def cluster(
    workers: int, cases: int = CASES, steps: int = STEPS
) -> Generator[Progress | dict[str, Any], None, None]:
    """Train and predict in one process and on clusters; the report comes last."""
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        yield from _Bench(Path(folder), workers, cases, steps).all()


@dataclass(frozen=True)
class _Timed:
    """Seconds of a prediction, and how many programs wanted to compute before it."""

    seconds: float
    load: float | None


class _Bench:
    """Runs of the same training and of the same prediction, compared by their bytes."""

    def __init__(self, folder: Path, workers: int, cases: int, steps: int) -> None:
        self._folder, self._workers = folder, workers
        dataset = folder / "dataset"
        entries = [
            LabelledVolume(sample.volume, sample.truth.astype(np.int16))
            for sample in phantom_cohort(cases)
        ]
        write_dataset(dataset, entries, {1: "core", 2: "shell"})
        self._training = DatasetTraining(
            dataset, folder / "alone", RECIPE, device="cpu", budget=Budget(steps),
            labels=Labels(slices=6), fold=0,
        )  # fmt: skip
        self._prediction = FilePrediction(
            folder / "alone", dataset, folder / "masks-alone", device="cpu"
        )

    def all(self) -> Generator[Progress | dict[str, Any], None, None]:
        """Do one after the other."""
        report: dict[str, Any] = {"workers": self._workers}
        parts = [self._alone, self._on_one_worker, self._on_the_first, self._on_others]
        for number, part in enumerate(parts):
            yield Progress("cluster", number / len(parts))
            report |= part()
        timed = {"1": report.pop("one"), str(self._workers): report.pop("several")}
        seconds = {number: one.seconds for number, one in timed.items()}
        yield report | {
            "seconds": seconds,
            "ratio": round(seconds["1"] / seconds[str(self._workers)], 2),
            # beside other programs a second worker gains less, or nothing is compared
            "cores": os.cpu_count(),
            "load": {number: one.load for number, one in timed.items()},
        }

    def _alone(self) -> dict[str, Any]:
        _finish(train_on_dataset(self._training))
        _finish(predict_files(self._prediction))
        return {}

    def _on_the_first(self) -> dict[str, Any]:
        """Work on a cluster whose workers are killed, and in the end all of it."""
        with local_cluster(self._workers) as there:
            timed = self._timed(there, "cluster")
            _finish(train_on_cluster(self._train("cluster"), there.address))
            training = self._train("killed")
            kept = _kept(training)
            _finish_meanwhile(
                train_on_cluster(training, there.address),
                lambda: kept() and there.kill_worker("train"),
            )
            _finish_meanwhile(
                predict_on_cluster(self._predict("killed"), there.address),
                lambda: there.kill_worker("predict"),
            )
            training = self._train("again")
            said = _said_when_killed(
                train_on_cluster(training, there.address), there, _kept(training)
            )
        return {
            "equal": self._equal("cluster") and self._masks_equal("cluster"),
            "several": timed,
            "killed_training_equal": self._equal("killed"),
            "killed_prediction_equal": self._masks_equal("killed"),
            "said": said,
        }

    def _on_others(self) -> dict[str, Any]:
        """Go on where a scheduler was killed: in training, then in prediction."""
        asked = self._predict("again")
        with local_cluster(self._workers) as there:
            _finish(train_on_cluster(self._train("again"), there.address))
            events = predict_on_cluster(asked, there.address)
            _said_when_killed(events, there, asked.out.is_dir)
        with local_cluster(self._workers) as there:
            _finish(predict_on_cluster(asked, there.address))
        return {
            "killed_scheduler_equal": self._equal("again")
            and self._masks_equal("again")
        }

    def _on_one_worker(self) -> dict[str, Any]:
        with local_cluster(1) as there:
            return {"one": self._timed(there, "one")}

    def _timed(self, there: LocalCluster, name: str) -> _Timed:
        """Time the prediction of all cases, after one that is not counted."""
        warm = replace(self._predict(f"warm-{name}"), cases="phantom_000")
        _finish(predict_on_cluster(warm, there.address))
        load, start = _load(), time.perf_counter()
        _finish(predict_on_cluster(self._predict(name), there.address))
        return _Timed(round(time.perf_counter() - start, 2), load)

    def _train(self, name: str) -> DatasetTraining:
        return replace(self._training, out=self._folder / name)

    def _predict(self, name: str) -> FilePrediction:
        return replace(self._prediction, out=self._folder / f"masks-{name}")

    def _equal(self, name: str) -> bool:
        """Whether a model's weights are those of the one that was trained alone."""
        paths = [self._folder / n / "weights.safetensors" for n in ("alone", name)]
        alone, other = (path.read_bytes() for path in paths)
        return alone == other

    def _masks_equal(self, name: str) -> bool:
        """Whether all masks are those that were predicted alone, byte for byte."""
        alone, other = (
            {path.name: path.read_bytes() for path in folder.glob("*.nii.gz")}
            for folder in (self._prediction.out, self._folder / f"masks-{name}")
        )
        return bool(alone) and alone == other


def _load() -> float | None:
    """Give the mean number of programs that want to compute; Windows has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _kept(training: DatasetTraining) -> Callable[[], bool]:
    """Give what says whether there is a checkpoint."""
    return (training.out / CHECKPOINT / "checkpoint.json").is_file


def _finish_meanwhile(
    events: Generator[Any, None, None], act: Callable[[], bool]
) -> None:
    """Act after each event until that succeeds.

    Raises
    ------
    InputError
        It never does.
    """
    done = False
    with closing(events):
        for event in events:
            if not done and isinstance(event, Progress):
                done = act()
    if not done:
        raise InputError(_TOO_SHORT)


def _said_when_killed(
    events: Generator[Any, None, None], there: LocalCluster, ready: Callable[[], bool]
) -> str:
    try:
        with closing(events):
            for event in events:
                if isinstance(event, Progress) and ready():
                    there.kill()
    except InputError as error:
        return str(error)
    raise InputError(_TOO_SHORT)


def _finish(events: Iterator[Any]) -> None:
    deque(events, maxlen=0)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute as each of the workers does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
