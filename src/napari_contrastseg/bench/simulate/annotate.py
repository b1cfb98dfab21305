"""Dice over the number of labelled slices, with a simulated annotator."""

from __future__ import annotations

import importlib.util
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from napari_contrastseg.bench.compare import peers
from napari_contrastseg.bench.compare.datasets import (
    labelled_volumes,
    name_of,
    split_of,
)
from napari_contrastseg.bench.compare.provenance import provenance
from napari_contrastseg.bench.compare.stored_result import settings_asked, stored_result
from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.evaluation.scores import Scores
from napari_contrastseg.insight.slice_scores import reliability, score_slices, true_dice
from napari_contrastseg.io.dataset import read_dataset, read_truth
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.learning.data.targets import TrainingVolume
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.query import strategy_named
from napari_contrastseg.session.freeze import (
    FrozenVolumes,
    frozen_classes,
    labelled_slices,
    settled_slices,
)
from napari_contrastseg.session.packed_proposals import Proposals
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.targets import Status
from napari_contrastseg.session.volume_record import Proposal
from napari_contrastseg.tasks.events import Progress
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.review_queue import review_order
from napari_contrastseg.tasks.splits import CASES_FOR_SLICES, even_slices, share_slices

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.bench.compare.peers import Learned
    from napari_contrastseg.bench.simulate.annotator import TimeModel
    from napari_contrastseg.io.dataset import Dataset
    from napari_contrastseg.io.volume import Volume
    from napari_contrastseg.learning.models.model import Model
    from napari_contrastseg.tasks.events import StageReport

#: Labels evenly spaced slices from the beginning for every point.
EVEN: Final = "even"
#: What reports say of such a test, so that none is joined with others.
HELD_BACK = ", training cases held back"


@dataclass(frozen=True)
class SimulationRequest:
    """A simulated annotation, as the command line asks for it.

    Attributes
    ----------
    suggest : str
        Name or alias of a query strategy.
    inner : bool
        Test on the last quarter of the fold's training cases, to choose settings by.
    """

    dataset: Path
    recipe: str
    slices: tuple[int, ...]
    fold: int = 0
    suggest: str = EVEN
    preset: str = "sound"
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    time: TimeModel | None = None
    cases: int | None = None
    inner: bool = False


@dataclass(frozen=True, eq=False)
class _Setting:
    """What stays the same from point to point."""

    dataset: Dataset
    volumes: dict[str, Volume]
    truths: dict[str, NDArray[Any]]
    others: tuple[TrainingVolume, ...]
    test: tuple[str, ...]


def annotate(
    request: SimulationRequest,
) -> Generator[Progress | dict[str, Any], None, None]:
    """Label more and more slices and train each time; the last event is the report.

    ``even`` labels evenly spaced slices from the beginning for every point. Other
    query strategies add slices to those before, correcting the last model's proposals.
    As in the window, pseudo-labels that have earned weight count; each point is
    trained from new weights.

    Raises
    ------
    InputError
        More slices are asked for than the first training cases have, or there is no
        such query strategy.
    """
    strategy_named(request.suggest)
    made_with = provenance()
    setting = _prepare(request)
    counts = [v.shape[v.axis] for v in setting.volumes.values()]
    share_slices(max(request.slices), counts)  # refuses more than there are
    session, annotator = _session(setting, request)
    points: list[dict[str, Any]] = []
    for number, wanted in enumerate(sorted(request.slices)):
        if request.suggest == EVEN:
            session, annotator = _session(setting, request)
        _label(session, annotator, request, wanted)
        start = time.perf_counter()
        learned = yield from _train(session, setting, request, number)
        seconds = time.perf_counter() - start
        _propose(session, learned, request.recipe, number + 1)
        scores, estimates = _test(learned, setting)
        points.append(
            {
                "slices": labelled_slices(session),
                "mean_dice": scores.summary()["mean_dice"],
                "dice": scores.summary()["dice"],
                "seconds": round(seconds, 2),
                "annotator_seconds": round(annotator.seconds, 1),
                "dice_estimate_r": estimates,
            }
        )
    yield {
        "dataset": name_of(setting.dataset) + HELD_BACK * request.inner,
        "recipe": request.recipe,
        "preset": request.preset,
        "fold": request.fold,
        "seed": request.seed,
        "suggest": request.suggest,
        "cases": len(setting.volumes),
        **made_with,
        "points": points,
        "request": asked(request, setting.dataset),
    }


def asked(request: SimulationRequest, dataset: Dataset) -> dict[str, Any]:
    """Give all that decides a report, as its file keeps it."""
    plain = asdict(request) | {
        "dataset": name_of(dataset),
        "dataset_cases": len(dataset.cases),
        "classes": {str(k): name for k, name in dataset.classes.items()},
        "settings": settings_asked(request),
    }
    return dict(json.loads(json.dumps(plain)))


def stored_report(path: Path, request: SimulationRequest) -> dict[str, Any] | None:
    """Read the report of a request, if it was made before.

    Raises
    ------
    InputError
        The file is the report of another request.
    """
    if not path.exists():
        return None
    peers.check(request.recipe, request.preset, "auto")
    return stored_result(path, asked(request, read_dataset(request.dataset)), request)


def _prepare(request: SimulationRequest) -> _Setting:
    peers.check(request.recipe, request.preset, "auto")
    dataset = read_dataset(request.dataset)
    split = split_of(dataset, request.fold, inner=request.inner)
    labelled = [n for n in split.train if dataset.case(n).label is not None]
    if not labelled:
        raise dataset.no_labels()
    chosen = labelled[: request.cases or CASES_FOR_SLICES]
    volumes, truths = {}, {}
    for name in chosen:
        case = dataset.case(name)
        volumes[name] = dataset.read(case)
        truths[name] = read_truth(dataset, case, volumes[name])
    others = []
    if peers.wants_unlabelled(request.recipe):
        for name in split.train:
            if name in chosen:
                continue
            others.append(TrainingVolume(dataset.read(dataset.case(name))))
    return _Setting(dataset, volumes, truths, tuple(others), split.test)


def _session(
    setting: _Setting, request: SimulationRequest
) -> tuple[Session, Annotator]:
    session = Session()
    for volume in setting.volumes.values():
        session.add_volume(volume)
    for class_id, name in sorted(setting.dataset.classes.items()):
        session.add_class_with_id(class_id)
        session.change_class(class_id, name=name)
    return session, Annotator(session, setting.truths, request.time)


def _label(
    session: Session, annotator: Annotator, request: SimulationRequest, wanted: int
) -> None:
    """Bring the session to `wanted` labelled slices."""
    records = session.records
    missing = wanted - labelled_slices(session)
    if session.rounds.current is None:
        counts = {n: len(r.status) for n, r in list(records.items())[:wanted]}
        shares = share_slices(wanted, list(counts.values()))
        for (name, count), share in zip(counts.items(), shares, strict=True):
            annotator.label(name, even_slices(count, share).tolist())
        return
    scores = {
        n: score_slices(r.proposal.prediction, r.proposal.confidence, r.axis)
        for n, r in records.items()
        if r.proposal is not None
    }
    seed, every = (request.seed, wanted), sum(len(r.status) for r in records.values())
    ranked = review_order(session, scores, request.suggest, seed, every).suggestions
    order = [(s.volume_id, s.index) for s in ranked]
    # a slice with gaps in its reference is never done, but labelled once
    new = [(n, i) for n, i in order if records[n].status[i] == Status.UNTOUCHED]
    for name, index in new[:missing]:
        annotator.correct(name, int(index))


def _train(
    session: Session, setting: _Setting, request: SimulationRequest, number: int
) -> Generator[Progress, None, Learned]:
    asked = TrainRequest(
        volumes=(*FrozenVolumes(session), *setting.others),
        classes=frozen_classes(session),
        recipe=request.recipe,
        preset=request.preset,
        budget=request.budget,
        seed=request.seed,
    )
    learned = yield from _followed(peers.learn(asked), number, len(request.slices))
    return learned


def _followed(
    events: Generator[Progress | StageReport, None, Learned], number: int, of: int
) -> Generator[Progress, None, Learned]:
    """Show the progress of one of several trainings."""
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            return cast("Learned", end.value)
        if isinstance(event, Progress):
            part = (number + event.fraction) / of
            yield Progress(event.stage, part, None, event.loss)


def _propose(session: Session, learned: Learned, recipe: str, number: int) -> None:
    from napari_contrastseg.session.rounds import Round, RoundInfo  # noqa: PLC0415

    volumes = [r.volume for r in session.records.values()]
    proposals = {
        volume.id: Proposal(number, found.labels, found.confidence)
        for volume, found in learned.predict(volumes)
    }
    done = settled_slices(session)
    info = RoundInfo(number, recipe, labelled_slices(session), 0.0, settled=done)
    # this session is never saved: whatever predicts stands for the model
    session.add_round(Round(info, cast("Model", learned), Proposals(proposals)))


def _test(learned: Learned, setting: _Setting) -> tuple[Scores, float | None]:
    """Score the test cases, and hold the estimated Dice of slices against the true."""
    scores = Scores(setting.dataset.classes)
    right = reliability(()).right
    guessed, real = [], []
    for volume, found in learned.predict(
        labelled_volumes(setting.dataset, setting.test)
    ):
        case = setting.dataset.case(volume.id)
        truth = read_truth(setting.dataset, case, volume)
        scores.add(found.labels, truth)
        axis = volume.axis
        expected = score_slices(found.labels, found.confidence, axis).dice(right)
        arrays = (np.moveaxis(a, axis, 0) for a in (found.labels, truth))
        for estimate, planes in zip(expected, zip(*arrays, strict=True), strict=True):
            dice = true_dice(*planes)
            if dice is not None and not np.isnan(estimate):
                guessed.append(estimate)
                real.append(dice)
    if len(guessed) < 3 or np.std(guessed) == 0 or np.std(real) == 0:  # noqa: PLR2004
        return scores, None
    return scores, round(float(np.corrcoef(guessed, real)[0, 1]), 4)


def need_plot(out: Path) -> None:
    """See that the plot can be made and written, before the training.

    Raises
    ------
    InputError
        matplotlib is not installed, or the folder cannot be written.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(
            "The plot is drawn with matplotlib; install it with: pip install "
            "'napari-contrastseg[bench]'."
        )
    need_folder(out)
