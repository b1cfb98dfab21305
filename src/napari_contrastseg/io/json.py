"""JSON in and out: bounded on the way in, write-then-rename on the way out."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, replacing

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

#: Largest JSON file that is read, bytes.
MAX_JSON_BYTES = 8 * 2**20
#: Brackets within brackets that are read.
MAX_JSON_DEPTH = 64
#: A string, or a bracket outside of strings.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of at most `limit` bytes, or say in one sentence why not."""
    try:
        need_file(path)
        with path.open("rb") as file:
            found = file.read(limit + 1)
        if len(found) > limit:
            raise InputError(f"{path}: is larger than any file of this kind can be.")
        return loads(found.decode())
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as JSON ({error}).") from error


def loads(text: str) -> Any:
    """Read JSON of a bounded depth; numbers are finite.

    Raises
    ------
    ValueError
        It is no JSON, too deep, or holds a number that is none.
    """
    if _depth(text) > MAX_JSON_DEPTH:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
    return json.loads(text, parse_constant=_refuse_constant)


def _depth(text: str) -> int:
    """How deep brackets are nested, at most."""
    deepest = depth = 0
    for found in _TOKEN.finditer(text):
        if found[0][0] != '"':
            depth += 1 if found[0] in "[{" else -1
            deepest = max(deepest, depth)
    return deepest


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: type[T], value: Any, where: str) -> T:
    """Check plain JSON values against a dataclass and build it.

    Raises
    ------
    InputError
        Naming `where` and the first field that does not fit.
    """
    try:
        found: T = _adapter(cast("Any", kind)).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{where}: {field}: {first['msg']}.") from None
    return found


def to_plain(value: Any) -> Any:
    """Turn (nested) dataclasses into values that JSON can hold."""
    return _adapter(cast("Any", type(value))).dump_python(value, mode="json")


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
