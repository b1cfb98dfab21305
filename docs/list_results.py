"""List new results in docs/results/checksums.txt: python docs/list_results.py.

A line that is there is never changed: results are added, not edited. With --check
nothing is written, and the exit status says whether a result is not listed yet.
`tests/contracts/test_results.py` fails when a listed result changes.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
#: In the format of sha256sum, by path within docs/results.
LISTED = RESULTS / "checksums.txt"


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_listed(listed: Path = LISTED) -> dict[str, str]:
    """Digest of every listed result, by its path within docs/results."""
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    pairs = (line.split("  ", maxsplit=1) for line in lines)
    return {name: value for value, name in pairs}


def changed(results: Path = RESULTS, listed: Path = LISTED) -> list[str]:
    """Listed results that are missing or no longer what they were."""
    return [
        name
        for name, value in read_listed(listed).items()
        if not (results / name).is_file() or digest(results / name) != value
    ]


def unlisted(results: Path = RESULTS, listed: Path = LISTED) -> list[str]:
    """Results that are not listed yet."""
    found = {path.relative_to(results).as_posix() for path in results.rglob("*.json")}
    return sorted(found - read_listed(listed).keys())


def main() -> None:
    """Add what is new, or only say what that is."""
    new = unlisted()
    if "--check" in sys.argv[1:]:
        if new:
            sys.exit(f"run python docs/list_results.py, to list {', '.join(new)}")
        return
    known = read_listed() | {name: digest(RESULTS / name) for name in new}
    lines = (f"{value}  {name}\n" for name, value in sorted(known.items()))
    LISTED.write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
