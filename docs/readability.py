"""Print the mean sentence length of the docs: python docs/readability.py [PAGE...].

Headings, tables, code and generated parts do not count; an item of a list ends a
sentence. `--longest N` prints the N longest ones. `tests/contracts/test_readability.py`
holds the mean below `MOST`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

DOCS = Path(__file__).parent
#: Words of a sentence, in the mean over all pages, and over any one page.
MOST, MOST_ON_A_PAGE = 18.0, 24.0
#: Lists of decisions and of results, which are looked up and not read through.
LOOKED_UP = ("results", "recipes", "reference")
#: Pages with fewer sentences say little by their mean.
FEWEST = 10
_CODE = re.compile(
    r"^ *```.*?^ *```|^ *::: .*?(?=^\S|\Z)|<!--.*?-->", re.DOTALL | re.MULTILINE
)
_LEFT_OUT = re.compile(r"^(#|\||!\[|\s*$| {4}:)")
_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_`]*[A-Z0-9`])")
_SHORT = re.compile(r"\b(e\.g|i\.e|al|Eq|eq|Fig|vs|No|Sect)\.$")


def sentences(text: str) -> list[str]:
    """Split a page's running text into sentences; what stands in `` is one word."""
    blocks, block = [], ""
    for line in [*_CODE.sub("\n\n", text).splitlines(), ""]:
        if _LEFT_OUT.match(line) or _ITEM.match(line):
            blocks.append(block)
            block = ""
        if not _LEFT_OUT.match(line):
            block += " " + _ITEM.sub("", line)
    found: list[str] = []
    for whole in blocks:
        rest = ""
        plain = re.sub(r"`[^`]*`", "`code`", _LINK.sub(r"\1", whole))
        for part in _END.split(" ".join(plain.split())):
            rest = f"{rest} {part}".strip()
            if rest and not _SHORT.search(rest):
                found.append(rest)
                rest = ""
        if rest:
            found.append(rest)
    return [sentence for sentence in found if words(sentence) > 1]


def words(sentence: str) -> int:
    """Count the words."""
    return len(sentence.split())


def pages() -> list[Path]:
    """Pages that are read through."""
    found = sorted([*DOCS.rglob("*.md"), *DOCS.parent.glob("[RC]*.md")])
    names = {page: page.relative_to(DOCS.parent).parts for page in found}
    read = (page for page in found if not {*names[page]} & {*LOOKED_UP})
    return [page for page in read if page.stem != "CHANGELOG"]


def mean(found: list[str]) -> float:
    """Mean number of words."""
    return sum(map(words, found)) / max(len(found), 1)


def main() -> None:
    """Print a line a page, and the mean of all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", type=Path)
    parser.add_argument("--longest", type=int, default=0)
    asked = parser.parse_args()
    chosen = asked.pages or pages()
    found = {page: sentences(page.read_text("utf-8")) for page in chosen}
    for page, some in sorted(found.items(), key=lambda pair: -mean(pair[1])):
        print(f"{mean(some):5.1f} words  {len(some):4} sentences  {page.name}")
    every = [sentence for some in found.values() for sentence in some]
    for sentence in sorted(every, key=words, reverse=True)[: asked.longest]:
        print(f"\n{words(sentence)}: {sentence}")
    print(f"{mean(every):5.1f} words  {len(every):4} sentences  all pages")


if __name__ == "__main__":
    main()
