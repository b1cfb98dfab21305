"""What a step of a measurement took: seconds, memory, and what ran beside it."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_contrastseg.bench.measure.anonymous import Peak, peak

if TYPE_CHECKING:
    from collections.abc import Iterator


class Found(dict[str, Any]):
    """What was found of a step.

    Attributes
    ----------
    seen : Peak
        Of memory, while the step goes on.
    """

    seen: Peak


@contextmanager
def measured(imports: int) -> Iterator[Found]:
    """Measure a step: seconds, peak memory, when it ended and what ran beside it.

    Memory is that of this process and of any that it started, together, beyond that of
    the imports. What cannot be done is noted.
    """
    found = Found()
    try:
        with peak(imports) as found.seen:
            began = time.perf_counter()
            yield found
            found.setdefault("seconds", round(time.perf_counter() - began, 3))
    except (MemoryError, RuntimeError, ValueError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        found["failed"] = cause[:300]
    finally:
        most = max(found.seen.together, found.pop("earlier_peak", 0))
        found["peak_mb"] = round(most / 2**20, 1)
        found["imports_mb"] = round(imports / 2**20, 1)
        found["when"] = datetime.now(UTC).isoformat(timespec="seconds")
        if hasattr(os, "getloadavg"):
            found["load"] = round(os.getloadavg()[0], 1)


def limit_data(gigabytes: float) -> None:
    """Let this process have so much data memory and no more, on Linux; 0: any."""
    if gigabytes and sys.platform == "linux":
        import resource  # noqa: PLC0415

        most = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
