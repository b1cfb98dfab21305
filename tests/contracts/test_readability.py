"""The docs are written in sentences that can be read at once."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "docs" / "readability.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


READ: Any = _script()
PAGES = READ.pages()


def test_the_mean_sentence_is_short() -> None:
    every = [s for page in PAGES for s in READ.sentences(page.read_text("utf-8"))]
    assert len(every) > 1000
    assert READ.mean(every) < READ.MOST


def test_no_page_has_long_sentences_in_the_mean() -> None:
    of = {page.name: READ.sentences(page.read_text("utf-8")) for page in PAGES}
    means = {
        n: READ.mean(found) for n, found in of.items() if len(found) >= READ.FEWEST
    }
    assert not {n: mean for n, mean in means.items() if mean >= READ.MOST_ON_A_PAGE}


def test_sentences_are_split_where_they_end() -> None:
    text = (
        "# Head\n\nOne two three. See `a. B` here, e.g. this one! Last\nline\n\n"
        "- an item\n- one [with a link](x.md). And more\n\n| a | table |\n\n"
        "```\nno code. At all.\n```\n"
    )
    assert READ.sentences(text) == [
        "One two three.",
        "See `code` here, e.g. this one!",
        "Last line",
        "an item",
        "one with a link.",
        "And more",
    ]
