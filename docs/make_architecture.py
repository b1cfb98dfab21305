"""Draw the layers of docs/architecture.md from the import contracts in pyproject.toml.

Run ``python docs/make_architecture.py``. Only what stands between two markers is
replaced; `tests/contracts/test_architecture.py` fails while it is stale.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = "napari_contrastseg"


def floors() -> dict[str, list[str]]:
    """Give the layers of the whole and of each package, the top one first."""
    text = (ROOT / "pyproject.toml").read_text()
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return {
        contract["containers"][0].removeprefix(PACKAGE).lstrip("."): contract["layers"]
        for contract in contracts
        if contract["type"] == "layers"
    }


def drawn() -> dict[str, str]:
    """Draw the blocks of the page by the names of their markers."""
    found = floors()
    whole = "\n".join(found.pop(""))
    inner = "\n\n".join(
        f"{room}/\n" + "\n".join(f"  {floor}" for floor in layers)
        for room, layers in found.items()
    )
    return {"rooms": whole, "inner": inner}


def updated(page: str) -> str:
    """Replace the blocks of a page."""
    for name, block in drawn().items():
        between = rf"(<!-- {name} -->\n```\n).*?(\n```\n<!-- end -->)"
        page, count = re.subn(
            between, lambda m, b=block: f"{m[1]}{b}{m[2]}", page, flags=re.DOTALL
        )
        assert count == 1, f"the page has no place for {name}"
    return page


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
