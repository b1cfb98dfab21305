"""Jobs run in processes of their own, some at a time, and end with who asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psutil

from napari_contrastseg.bench.measure.subprocess_runner import Job, run_parallel

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
