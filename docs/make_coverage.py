"""Write the table of docs/coverage.md: python docs/make_coverage.py COVERAGE.json.

The file is what ``coverage json`` writes; ``nox -s coverage`` does both. Modules below
`WANTED` need a reason here; without one they are printed, and the exit status is 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path, PurePath

from make_recipe_tables import _between, _table

PAGE = Path(__file__).parent / "coverage.md"
WANTED = 80.0
#: Why less of a module is run, by its path within the package or that of its folder.
REASONS = {
    "bench/cluster": (
        "starts workers, trains on them and kills them; `contrastseg bench cluster` "
        "runs it"
    ),
    "bench/faults": "runs in processes that are killed, which are not counted",
    "bench/measure": (
        "measures large sizes, or a GPU, in processes of its own; `contrastseg bench` "
        "runs it"
    ),
    "bench/window": (
        "measures a real window in a process of its own for minutes; "
        "`contrastseg bench` runs it"
    ),
    "bench/scale": "large volumes; `contrastseg bench scale` runs it",
    "bench/demo": "the demo trains for minutes; `nox -s demo` runs it",
    "cli/bench": "begins measurements that take minutes",
    "cli/bench_smart": "begins measurements that take minutes",
    "cli/demo": "begins the demo, which `nox -s demo` runs",
    "learning/losses/fused": "calls Triton's kernels, which need a GPU",
    "learning/losses/kernels": "Triton's kernels, which need a GPU",
    "learning/models/volume_network": (
        "is compiled to TorchScript; what that runs is not counted"
    ),
    "samples/samples": "real samples are downloaded, or need nilearn's templates",
    "tasks/cluster/serve": "runs in workers, of which not all is counted",
    "tasks/cluster/what_is_there": "asks a scheduler with workers; a slow test does",
    "tasks/executors/child": (
        "runs in processes of rounds; of those that are killed nothing is counted"
    ),
    "tasks/exports/onnx_model": (
        "a conversion to ONNX takes long; `nox -s slow` and the export as "
        "BioImage.IO do it"
    ),
    "ui/plugin/open_session": "shows what `contrastseg demo --gui` has made",
}


def rows(report: dict[str, dict[str, dict[str, dict[str, float]]]]) -> list[list[str]]:
    """Modules below what is wanted: path, per cent, reason."""
    found = []
    for name, about in report["files"].items():
        parts = PurePath(name).as_posix().partition("napari_contrastseg/")
        percent = about["summary"]["percent_covered"]
        if percent < WANTED:
            found.append([parts[2], f"{int(percent)} %", reason(parts[2])])
    return sorted(found)


def reason(module: str) -> str:
    """Why a module may stand below; "" where nobody has said."""
    places = [PurePath(module).with_suffix(""), *PurePath(module).parents]
    return next((REASONS[str(p)] for p in places if str(p) in REASONS), "")


def main() -> None:
    """Rewrite the page, and print what it says."""
    report = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    below, total = rows(report), report["totals"]
    counted = len(report["files"]) - len(below)
    print(f"{total['percent_covered']:.1f} % of {total['num_statements']} statements")
    for module, percent, why in below:
        print(f"{percent:>6}  {module}  {why or 'NO REASON'}")
    heads = ("module", "run", "why not more")
    words = (
        f"{total['percent_covered']:.1f} % of {total['num_statements']} statements are "
        f"run. {counted} modules are at {WANTED:.0f} % or more; these are below:\n\n"
    )
    table = words + _table(heads, [[f"`{m}`", p, w] for m, p, w in below])
    text = PAGE.read_text("utf-8")
    PAGE.write_text(_between(text, "coverage", table), "utf-8")
    sys.exit(any(not why for *_, why in below))


if __name__ == "__main__":
    main()
