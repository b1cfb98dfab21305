"""The main job, once, on real MRI: label, learn, correct, learn again, export."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from skimage.filters import threshold_multiotsu

from napari_contrastseg.bench.simulate.annotator import Annotator
from napari_contrastseg.insight.slice_scores import score_slices
from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_folder
from napari_contrastseg.io.images import write_mask
from napari_contrastseg.io.json import read_json, write_json
from napari_contrastseg.learning.plan.stage import Budget
from napari_contrastseg.recipes import DEFAULT, recipe_named
from napari_contrastseg.samples.samples import mni152
from napari_contrastseg.session.freeze import FrozenVolumes, frozen_classes
from napari_contrastseg.session.session import Session
from napari_contrastseg.session.storage.load import load_session
from napari_contrastseg.session.storage.snapshot import save_session
from napari_contrastseg.session.volume_record import mask_of
from napari_contrastseg.tasks.events import Progress, StageReport
from napari_contrastseg.tasks.predict import Predicted
from napari_contrastseg.tasks.requests import TrainRequest
from napari_contrastseg.tasks.review_queue import review_order
from napari_contrastseg.tasks.round import Embedded, Trained
from napari_contrastseg.tasks.round_in_session import round_in_session, take_up
from napari_contrastseg.tasks.splits import even_slices

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_contrastseg.samples.samples import Sample
    from napari_contrastseg.session.rounds import Round
    from napari_contrastseg.session.volume_record import Proposal

LABELLED, OFFERED, CORRECTED = 8, 10, 4

ABOUT = (
    "MNI152 T1 template at 2 mm with simulated coil bias (40 %) and Rician noise (7 % "
    "of the maximum); the annotator is simulated from tissue maps; Dice on the slices "
    "that nobody labelled in either round"
)


@dataclass(frozen=True)
class DemoRequest:
    """How the demo trains, in minutes a round, and where it writes."""

    out: Path
    recipe: str = DEFAULT
    minutes: tuple[float, float] = (1.6, 1.2)
    seed: int = 0


@dataclass
class _Log:
    """What the demo reports in the end."""

    seconds: dict[str, float] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)


def demo(request: DemoRequest) -> Generator[Progress | dict[str, Any], None, None]:
    """Run the demo; the last event is its JSON report.

    Raises
    ------
    InputError
        nilearn is missing, there is no such recipe, or the folder cannot be written.
    """
    recipe_named(request.recipe)
    _refuse_strange(request.out)
    need_folder(request.out)
    log, begun = _Log(), time.perf_counter()
    sample = mni152(request.seed)
    naive = otsu(np.asarray(sample.volume.data[0]))
    session = Session()
    record = session.add_volume(sample.volume)
    for class_id, name in sample.classes.items():
        session.add_class_with_id(class_id)
        session.change_class(class_id, name=name)
    name = sample.volume.id
    annotator = Annotator(session, {name: sample.truth})
    inside = np.flatnonzero((sample.truth > 0).any(axis=(1, 2)))
    picks = inside[even_slices(len(inside), LABELLED)]
    annotator.label(name, picks.tolist())
    log.seconds["prepare"] = time.perf_counter() - begun
    yield from _one_round(session, request, log, 1)
    shown = _proposal(session, name)
    judged = {name: score_slices(shown.prediction, shown.confidence, record.axis)}
    offered = review_order(session, judged).suggestions[:OFFERED]
    worst = sorted(offered, key=lambda s: -_wrong_voxels(session, sample, s.index))
    corrected = [s.index for s in worst[:CORRECTED]]
    for index in corrected:
        annotator.correct(name, index)
    yield from _one_round(session, request, log, 2)
    unseen = np.flatnonzero(record.status == 0)
    scores = [_dice(mask, sample, unseen) for mask in log.masks]
    start = time.perf_counter()
    files = _write(session, sample, request.out, log.masks)
    log.seconds["write"] = time.perf_counter() - start
    log.seconds["total"] = time.perf_counter() - begun
    report = {
        "about": ABOUT,
        "recipe": request.recipe,
        "naive": {"method": "three-class Otsu", "dice": _dice(naive, sample, unseen)},
        "rounds": [
            {"dice": dice, **about}
            for dice, about in zip(scores, log.rounds, strict=True)
        ],
        "corrected_slices": corrected,
        "annotator_seconds": round(annotator.seconds, 1),
        "seconds": {stage: round(s, 1) for stage, s in log.seconds.items()},
        "files": [str(path) for path in (*files, request.out / "demo.json")],
        "session": session.fingerprint,
    }
    write_json(request.out / "demo.json", report)
    yield report


def _refuse_strange(out: Path) -> None:
    """Keep the files of others, and a session in which somebody worked since."""
    session, report = out / "session", out / "demo.json"
    if not report.is_file():
        if out.exists() and (out.is_file() or any(out.iterdir())):
            raise InputError(
                f"{out}: holds other files than a demo's; choose an empty folder with "
                "--out."
            )
        return
    if not session.is_dir():
        return
    try:
        made = read_json(report).get("session")
        same = load_session(session).fingerprint == made
    except (InputError, AttributeError):
        same = False
    if not same:
        raise InputError(
            f"{session}: was changed since the last demo; choose another folder with "
            "--out, or move it away."
        )


def otsu(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Segment by two thresholds: the naive way to grey and white matter."""
    thresholds = threshold_multiotsu(image, classes=3)
    return np.digitize(image, thresholds).astype(np.uint8)


def _one_round(
    session: Session, request: DemoRequest, log: _Log, number: int
) -> Generator[Progress, None, None]:
    start = time.perf_counter()
    latest = session.rounds.current
    asked = TrainRequest(
        volumes=FrozenVolumes(session),
        classes=frozen_classes(session),
        slices=session.slices,
        recipe=request.recipe,
        budget=Budget(minutes=request.minutes[number - 1]),
        device="auto",
        seed=request.seed,
        proposes=True,
        start=latest.model if latest is not None else None,
    )
    events, mark = round_in_session(session, asked), start
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            finished = cast("Round", end.value)
            break
        if isinstance(event, Progress):
            yield replace(event, stage=f"round {number}, {event.stage}")
        elif isinstance(event, StageReport):
            log.seconds[f"round {number}: {event.name}"] = event.seconds
        elif isinstance(event, Trained):
            mark = time.perf_counter()
        elif isinstance(event, Predicted | Embedded):
            what = "predict" if isinstance(event, Predicted) else "embed"
            log.seconds[f"round {number}: {what}"] = time.perf_counter() - mark
            mark = time.perf_counter()
    take_up(session, finished)
    for name in finished.proposals:
        log.masks.append(_proposal(session, name).prediction.copy())
    info, current = finished.info, session.rounds.current
    assert current is not None
    log.rounds.append(
        {
            "labelled_slices": info.labelled_slices,
            "seconds": info.seconds,
            "shown": current.info.number,
        }
    )


def _proposal(session: Session, name: str) -> Proposal:
    proposal = session.records[name].proposal
    assert proposal is not None
    return proposal


def _wrong_voxels(session: Session, sample: Sample, index: int) -> int:
    mask = _proposal(session, sample.volume.id).prediction
    return int((mask[index] != sample.truth[index]).sum())


def _dice(
    mask: NDArray[np.uint8], sample: Sample, slices: NDArray[np.int64]
) -> dict[str, float]:
    scores = {}
    for class_id, name in sample.classes.items():
        mine, theirs = mask[slices] == class_id, sample.truth[slices] == class_id
        total = int(mine.sum() + theirs.sum())
        scores[name] = round(
            2 * int((mine & theirs).sum()) / total if total else 1.0, 4
        )
    return scores


def _write(
    session: Session, sample: Sample, out: Path, masks: list[NDArray[np.uint8]]
) -> list[Path]:
    from napari_contrastseg.learning.models.model import save_model  # noqa: PLC0415

    record = session.records[sample.volume.id]
    mask = out / "mask.nii.gz"
    write_mask(mask, mask_of(record, complete=True), sample.volume)
    latest = session.rounds.current
    assert latest is not None
    model = save_model(out / "model", latest.model)
    save_session(session, out / "session")
    figure = out / "demo.png"
    draw(sample, masks, latest.embedding, figure)
    return [mask, *model, out / "session" / "session.json", figure]


def draw(
    sample: Sample, masks: list[NDArray[np.uint8]], embedding: Embedded, path: Path
) -> None:
    """Draw image, truth, both rounds and the t-SNE map of one slice."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    from napari_contrastseg.insight.tsne import frames  # noqa: PLC0415

    index = int((sample.truth > 0).sum(axis=(1, 2)).argmax())
    figure = Figure(figsize=(17, 3.9), layout="constrained")
    axes = figure.subplots(1, 5)
    colours = ["#00000000", "#e69f00", "#56b4e9"]
    shown = [("image", None), ("truth", sample.truth)]
    shown += [(f"round {i}", mask) for i, mask in enumerate(masks, start=1)]
    for axis, (title, labels) in zip(axes, shown, strict=False):
        axis.imshow(np.asarray(sample.volume.data[0])[index], cmap="gray")
        if labels is not None:
            axis.imshow(
                labels[index], cmap=ListedColormap(colours), vmin=0, vmax=2, alpha=0.7
            )
        axis.set_title(f"{title}, slice {index}")
        axis.set_axis_off()
    names = {0: "background"} | sample.classes
    *_, last = frames(embedding.table.features)
    for class_id, colour in zip(names, ["#9a9a9a", *colours[1:]], strict=True):
        mine = embedding.table.label == class_id
        axes[4].scatter(*last.shown[mine].T, s=4, color=colour, label=names[class_id])
    axes[4].legend(loc="best", markerscale=3, fontsize=8)
    axes[4].set_title("t-SNE of the embedding, round 2")
    axes[4].set_xticks([])
    axes[4].set_yticks([])
    figure.savefig(path, dpi=110)


def describe(report: dict[str, Any]) -> str:
    """Say in a few lines what came out."""
    lines = [f"Dice on slices nobody labelled, recipe {report['recipe']}:"]
    rows = [("three-class Otsu", report["naive"]["dice"])]
    rows += [
        (f"round {number}, {entry['labelled_slices']} labelled slices", entry["dice"])
        for number, entry in enumerate(report["rounds"], start=1)
    ]
    for title, dice in rows:
        scores = "  ".join(f"{name} {value:.3f}" for name, value in dice.items())
        lines.append(f"  {title:<30} {scores}")
    lines += [
        f"  round {number} fits the labels worse than round {entry['shown']}, which "
        "stays shown, joined with interpolation between all labelled slices"
        for number, entry in enumerate(report["rounds"], start=1)
        if entry["shown"] != number
    ]
    lines.append(f"{report['seconds']['total']:.0f} s; written:")
    return "\n".join([*lines, *(f"  {path}" for path in report["files"])])
