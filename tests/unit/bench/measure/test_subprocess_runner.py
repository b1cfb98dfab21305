"""Jobs run in processes of their own, some at a time, and end with who asked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import psutil
import pytest

from napari_contrastseg.bench.measure.subprocess_runner import (
    EndedError,
    Job,
    in_a_fresh_process,
    printed_by,
    run_parallel,
)
from napari_contrastseg.io.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_every_job_is_run_however_few_at_a_time(tmp_path: Path) -> None:
    jobs = []
    for number in range(5):
        source = tmp_path / f"{number}.json"
        source.write_text(json.dumps({"number": number}))
        arguments = (str(source), str(tmp_path / f"{number}.out"))
        jobs.append(Job("json.tool", arguments, tmp_path / "logs" / f"{number}.log"))
    assert sorted(run_parallel(jobs, 2)) == [(n, None) for n in range(5)]
    for number in range(5):
        written = json.loads((tmp_path / f"{number}.out").read_text())
        assert written == {"number": number}
    assert list((tmp_path / "logs").iterdir()) == []


def test_closing_ends_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    before = children()
    quick = Job("json.tool", (str(tmp_path / "none"),), tmp_path / "quick.log")
    forever = [
        Job("http.server", ("0",), tmp_path / f"server{n}.log") for n in range(4)
    ]
    running = run_parallel([quick, *forever], 2)
    number, why = next(iter(running))
    assert number == 0
    assert why is not None
    running.close()  # type: ignore[attr-defined]
    assert children() == before
    assert [path.name for path in tmp_path.glob("*.log")] == ["quick.log"]
    assert why in (tmp_path / "quick.log").read_text()


def test_a_measurement_that_fails_says_which() -> None:
    with pytest.raises(InputError, match=r"^the case could not be run: "):
        in_a_fresh_process("napari_contrastseg.bench.none", "the case")


def test_errands_run_side_by_side(tmp_path: Path) -> None:
    good, missing = tmp_path / "good.json", tmp_path / "missing.json"
    good.write_text("{}")
    errands = [
        Job("json.tool", (str(path), str(tmp_path / "out")), path.with_suffix(".log"))
        for path in (good, missing)
    ]
    found = dict(run_parallel(errands, 2))
    assert found[0] is None
    assert "missing.json" in (found[1] or "")
    assert not good.with_suffix(".log").exists()
    assert missing.with_suffix(".log").exists()


def test_errands_end_with_their_caller(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    quick = Job("json.tool", (str(tmp_path / "none"),), tmp_path / "quick.log")
    running = run_parallel([quick, Job("http.server", ("0",), log)], 2)
    assert next(iter(running))[0] == 0
    running.close()  # type: ignore[attr-defined]
    assert not log.exists()


SPEAKER = """
import sys, time
from napari_contrastseg.bench.measure.subprocess_runner import *
end_with_caller()
print("a library says something")
print_found({"step": 1})
if sys.argv[1] == "fails":
    raise SystemExit("no room")
time.sleep(60)
"""


@pytest.fixture
def speaker(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "speaker.py").write_text(SPEAKER)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def test_what_a_process_prints_comes_at_once_and_how_it_failed(
    speaker: dict[str, str],
) -> None:
    lines = printed_by("speaker", ["fails"], speaker)
    assert next(lines) == {"step": 1}
    with pytest.raises(EndedError, match="exit status 1: no room"):
        next(lines)


def test_a_process_ends_when_nobody_listens_any_more(speaker: dict[str, str]) -> None:
    before = children()
    lines = printed_by("speaker", ["waits"], speaker)
    next(lines)
    assert children() - before
    lines.close()
    assert not children() - before
