"""Claims about lost work: kills, cut journals, full disks, no permission, no memory."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_contrastseg.bench.faults import scripted_session as scripted
from napari_contrastseg.io.errors import DeviceMemoryError, InputError
from napari_contrastseg.io.images import read_labels
from napari_contrastseg.session.storage.autosave import Autosave
from napari_contrastseg.session.storage.load import open_folder
from napari_contrastseg.tasks.events import Progress, TrainingBegan
from napari_contrastseg.tasks.resolve import resolve_here
from napari_contrastseg.tasks.resumable import RUN, read_run, unfinished
from napari_contrastseg.tasks.train import train

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_contrastseg.session.session import Session

#: Work younger than this, seconds, may be lost.
PROMISE = 1.0
#: Seconds until a kill, drawn uniformly.
EARLIEST, LATEST = 0.05, 8.0
#: Records at the end of a journal that are cut at every byte.
LAST_RECORDS = 3
#: Seconds of rest after strokes on a disk that fails, or not any more.
REST = 1.5
#: Trainings that run out of memory again and again.
OOM_RUNS = 10


@dataclass
class Kills:
    """What the kills did."""

    kills: int = 0
    strokes: int = 0
    lost: int = 0
    unopened: int = 0
    rounds: int = 0
    rounds_lost: int = 0
    while_training: int = 0
    resumed: int = 0
    resumed_differently: int = 0
    half_masks: int = 0
    reasons: list[str] = field(default_factory=list)


def faults(
    kills: int, seed: int = 0, *, mapped: bool = False
) -> Generator[Progress | dict[str, Any], None, None]:
    """Try to lose work in every way that the docs promise it cannot be lost.

    Parameters
    ----------
    kills : int
        Processes that are killed at a random moment.
    mapped : bool
        Keep every array on the disk, as those of large volumes are.

    Yields
    ------
    Progress, and at the end a dict for JSON.
    """
    rng = np.random.default_rng(seed)
    found = Kills()
    with tempfile.TemporaryDirectory() as name, scripted.arrays_on_disk(mapped):
        place = Path(name)
        states: dict[str, int] = {}
        for number in range(kills):
            folder = place / "killed"
            shutil.rmtree(folder, ignore_errors=True)
            delay = float(rng.uniform(EARLIEST, LATEST))
            states = _kill(folder, seed + number, delay, found)
            yield Progress("kills", 0.9 * (number + 1) / kills)
        truncations = _cut(place / "killed" / scripted.SESSION, place / "cut", states)
        yield Progress("truncations", 0.92)
        full = _on_small_disk(_fill, seed)
        yield Progress("disk full", 0.94)
        read_only = _on_small_disk(_lock, seed)
        yield Progress("read only", 0.96)
        memory = _oom(place / "oom", rng)
    yield {
        "mapped": mapped,
        "kills": found.kills,
        "strokes": found.strokes,
        "lost": found.lost,
        "unopened": found.unopened,
        "rounds": found.rounds,
        "rounds_lost": found.rounds_lost,
        "killed_while_training": found.while_training,
        "runs_resumed": found.resumed,
        "runs_resumed_differently": found.resumed_differently,
        "half_masks": found.half_masks,
        "reasons": found.reasons[:10],
        "promise_seconds": PROMISE,
        "truncations": truncations,
        "disk_full": full,
        "no_permission": read_only,
        "oom": memory,
    }


# -- kills -------------------------------------------------------------------------


def _kill(folder: Path, seed: int, delay: float, found: Kills) -> dict[str, int]:
    """Let an annotator work, kill it, open what is left; returns the states it had."""
    folder.mkdir()
    method = "spawn" if sys.platform == "win32" else "forkserver"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(["napari_contrastseg.bench.faults.fork_preload"])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=scripted.annotate_until_killed, args=(folder, seed, theirs), daemon=True
    )
    process.start()
    theirs.close()
    reported: list[tuple[str, int, int, float]] = []
    end: float | None = None
    while end is None or time.time() < end:
        if not ours.poll(0.002):
            if not process.is_alive():
                break
            continue
        try:
            message = ours.recv()
        except EOFError:
            break
        if message is None:
            end = time.time() + delay
        else:
            reported.append(message)
    process.kill()
    killed = time.time()
    process.join()
    while ours.poll():
        try:
            message = ours.recv()
        except EOFError:
            break
        if message is not None:
            reported.append(message)
    found.kills += 1
    found.strokes += reported[-1][1] if reported else 0
    _judge(folder, reported, killed, found)
    return {fingerprint: number for fingerprint, number, _, _ in reported}


def _judge(
    folder: Path,
    reported: list[tuple[str, int, int, float]],
    killed: float,
    found: Kills,
) -> None:
    try:
        opened = open_folder(folder / scripted.SESSION)
    except InputError as error:
        found.unopened += 1
        found.reasons.append(str(error))
        return
    session = opened.session
    old = [entry for entry in reported if entry[3] < killed - PROMISE]
    must = old[-1] if old else reported[0]
    fingerprint = session.fingerprint
    numbers = [number for mark, number, _, _ in reported if mark == fingerprint]
    reached = max(numbers, default=0)
    if reached < must[1]:
        found.lost += must[1] - reached
        found.reasons.append(f"reached {reached} of {must[1]}; {opened.notes}")
    found.rounds += reported[-1][2]
    found.rounds_lost += max(0, must[2] - len(session.rounds))
    mask = folder / scripted.MASK
    if mask.exists():
        try:
            read_labels(mask)
        except InputError as error:
            found.half_masks += 1
            found.reasons.append(str(error))
    _resume(folder / scripted.SESSION / RUN, session, found)


def _resume(run: Path, session: Session, found: Kills) -> None:
    """Go on with a run that was cut off; it must end as if undisturbed."""
    if not unfinished(run):
        return
    found.while_training += 1
    try:
        request, _, _ = read_run(run, session)
    except InputError as error:
        found.reasons.append(str(error))
        found.resumed_differently += 1
        return
    ours = _trained(request)
    undisturbed = _trained(replace(request, keep=None))
    same = ours.keys() == undisturbed.keys() and all(
        bool((ours[k] == undisturbed[k]).all()) for k in ours
    )
    found.resumed += 1
    found.resumed_differently += not same


def _trained(request: Any) -> dict[str, Any]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = None
    try:
        for event in train(resolve_here(request)):
            if isinstance(event, TrainingBegan):
                model = event.model
    finally:
        torch.set_num_threads(threads)
    assert model is not None
    return {k: v.clone() for k, v in model.network.state_dict().items()}


# -- cut journals ------------------------------------------------------------------


def _cut(folder: Path, copy: Path, states: dict[str, int]) -> dict[str, int]:
    """Cut a journal at every byte of its last records; each must open."""
    result = {"cuts": 0, "unopened": 0, "strange": 0}
    journals = sorted(folder.glob("journal-*"))
    if not journals:
        return result
    shutil.copytree(folder, copy)
    path = copy / journals[0].name
    whole = path.read_bytes()
    for size in range(_last_records(whole), len(whole) + 1):
        path.write_bytes(whole[:size])
        result["cuts"] += 1
        try:
            opened = open_folder(copy)
        except InputError:
            result["unopened"] += 1
            continue
        result["strange"] += opened.session.fingerprint not in states
    return result


def _last_records(data: bytes) -> int:
    """Where the last records of a journal begin."""
    starts, at = [], 8
    while at + 8 <= len(data):
        starts.append(at)
        at += 8 + int.from_bytes(data[at : at + 4], "little")
    return starts[-min(len(starts), LAST_RECORDS)] if starts else 8


# -- disks -------------------------------------------------------------------------


@contextmanager
def _small_disk(megabytes: int) -> Iterator[Path]:
    """Lend a small disk of memory; needs the rights to mount one.

    Raises
    ------
    InputError
        It cannot be had here.
    """
    with tempfile.TemporaryDirectory() as name:
        size = f"size={megabytes}m"
        words = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", name]
        try:
            done = subprocess.run(words, capture_output=True, check=False)
        except OSError as error:
            raise InputError("no small disk can be mounted here") from error
        if done.returncode:
            raise InputError("no small disk can be mounted here (root may)")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], capture_output=True, check=False)


def _on_small_disk(test: Any, seed: int) -> dict[str, Any]:
    try:
        with _small_disk(4) as disk:
            return dict(test(disk, seed))
    except InputError as error:
        return {"not_run": str(error)}


def _fill(disk: Path, seed: int) -> dict[str, Any]:
    """Paint while the disk is full, then make room."""
    filler = disk / "filler"

    def harm() -> None:
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(bytes(2**16))
                    file.flush()
            except OSError:
                return

    return _harmed(disk, seed, harm, filler.unlink)


def _lock(disk: Path, seed: int) -> dict[str, Any]:
    """Paint while the folder cannot be written, then make it writable again."""

    # as root nothing is forbidden; a file in the folder's place cannot be written into
    def harm() -> None:
        (disk / "session").rename(disk / "away")
        (disk / "session").write_text("in the way")

    def mend() -> None:
        (disk / "session").unlink()
        (disk / "away").rename(disk / "session")

    return _harmed(disk, seed, harm, mend)


def _harmed(disk: Path, seed: int, harm: Any, mend: Any) -> dict[str, Any]:
    session, truth = scripted.new_session()
    said: list[Any] = []
    autosave = Autosave(session, disk / "session", said.append)
    annotator = scripted.Annotator(session, truth, seed)
    strokes = 0
    for part in range(3):
        if part == 1:
            harm()
        if part == 2:  # noqa: PLR2004
            mend()
        for _ in range(100):
            try:
                annotator.act()
            except InputError:
                continue
            strokes += 1
        time.sleep(REST)
    whole = False
    for _ in range(100):
        whole = autosave.flush(1.0)
        if whole:
            break
        time.sleep(0.1)
    try:
        found = open_folder(disk / "session").session.fingerprint
    except InputError as error:
        return {"strokes": strokes, "lost": strokes, "unopened": 1, "why": str(error)}
    kept = found == session.fingerprint
    messages = sum(not problem.over for problem in said)
    autosave.close()
    return {
        "strokes": strokes,
        "lost": 0 if kept and whole else strokes,
        "unopened": 0,
        "messages": messages,
    }


# -- memory ------------------------------------------------------------------------


def _oom(place: Path, rng: np.random.Generator) -> dict[str, int]:
    """Raise out-of-memory at random moments of training; go on until it is done."""
    import torch

    from napari_contrastseg.learning.networks.unet import UNet  # noqa: PLC0415

    session, truth = scripted.new_session()
    annotator = scripted.Annotator(session, truth, 0)
    while len(np.unique(session.records[scripted.NAME].truth)) < 3:  # noqa: PLR2004
        annotator.paint()
    before = session.fingerprint
    result = {"runs": OOM_RUNS, "raised": 0, "finished": 0, "went_on": 0, "lost": 0}
    whole = UNet.encode

    def encode(network: UNet, x: torch.Tensor) -> Any:
        if rng.random() < 0.3:  # noqa: PLR2004
            result["raised"] += 1
            raise torch.OutOfMemoryError("raised on purpose")
        return whole(network, x)

    for number in range(OOM_RUNS):
        keep = place / str(number)
        request = replace(scripted.request_of(session, steps=4), keep=keep)
        run = resolve_here(request)
        UNet.encode = encode  # type: ignore[assignment, method-assign]
        try:
            for _ in range(1000):
                try:
                    for _ in train(run):
                        pass
                    result["finished"] += 1
                    break
                except DeviceMemoryError:
                    result["went_on"] += 1
        finally:
            UNet.encode = whole  # type: ignore[method-assign]
    result["lost"] = int(session.fingerprint != before)
    return result
