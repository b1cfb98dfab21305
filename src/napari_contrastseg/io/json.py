"""JSON in and out: bounded on the way in, write-then-rename on the way out."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from napari_contrastseg.io.errors import InputError
from napari_contrastseg.io.files import need_file, replacing, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

T = TypeVar("T")

#: What is said of a value that does not fit, by pydantic's name for it.
_WORDS: Final = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be an object with names and values",
    "dataclass_type": "must be an object with names and values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
}
#: Largest JSON file that is read, bytes.
MAX_JSON_BYTES = 8 * 2**20


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of at most `limit` bytes, or say in one sentence why not."""
    try:
        need_file(path)
        with path.open("rb") as file:
            found = file.read(limit + 1)
        if len(found) > limit:
            raise InputError(f"{path}: is larger than any file of this kind can be.")
        return loads(found.decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except PermissionError as error:
        raise unreadable(path) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not text in UTF-8; save it as such.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: cannot be read as JSON ({error}); correct it, or copy it again."
        ) from error


def loads(text: str) -> Any:
    """Read JSON; its numbers are finite, its depth is bounded.

    Raises
    ------
    ValueError
        It is not JSON, too deep, or holds a number that is none.
    """
    return from_json(text, allow_inf_nan=False)


def check_format(
    value: Any,
    newest: int,
    where: str,
    *,
    oldest: int | None = None,
    advice: str = "update napari-contrastseg",
) -> int:
    """Return the format number of a JSON object.

    Parameters
    ----------
    value : any
        What was read.
    newest, oldest : int
        The formats that this version reads; `newest` alone by default.
    where : str
        The file, for the message.
    advice : str
        What to do about another format.

    Raises
    ------
    InputError
        It is of another format, or says none.
    """
    found = value.get("format") if isinstance(value, dict) else None
    oldest = newest if oldest is None else oldest
    if type(found) is not int:
        raise InputError(
            f"{where}: does not say its format, so it is damaged or another program's; "
            "copy it again, or choose another."
        )
    if not oldest <= found <= newest:
        reads = f"{newest}" if oldest == newest else f"{oldest} to {newest}"
        raise InputError(
            f"{where}: is of format {str(found)[:20]}, this version reads {reads}; "
            f"{advice}."
        )
    return found


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
        own = first["msg"].removeprefix("Value error, ")  # of a __post_init__
        said = _WORDS.get(first["type"], own)
        raise InputError(f"{where}: {field}: {said}.") from None
    return found


def to_plain(value: Any) -> Any:
    """Turn (nested) dataclasses into values that JSON can hold."""
    return _adapter(cast("Any", type(value))).dump_python(value, mode="json")


def write_json(path: Path, value: Any, *, indent: int | None = 1) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def with_changes(
    settings: T, changes: Mapping[str, str], unknown: str, option: str = "--set"
) -> T:
    """Change fields of a dataclass to values that were typed: JSON, or plain text.

    Parameters
    ----------
    settings : dataclass
    changes : mapping of str to str
    unknown : str
        Beginning of the sentence about a field that there is not.
    option : str
        What the changes were given to.

    Raises
    ------
    InputError
        There is no such field, or it cannot have that value.
    """
    if not changes:
        return settings
    values = to_plain(settings)
    for name, text in changes.items():
        if name not in values:
            has = ", ".join(values) or "none"
            raise InputError(f"{unknown} {name!r}; it has {has}.")
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return parse(type(settings), _as_text(type(settings), values, changes), option)


def _as_text(
    kind: type[Any], values: dict[str, Any], typed: Mapping[str, str]
) -> dict[str, Any]:
    """Take as text what was read as a number and is none: a version, a name."""
    try:
        _adapter(cast("Any", kind)).validate_python(values)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors() if one["loc"]}
        plain = values | {name: typed[name] for name in wrong if name in typed}
        with suppress(ValidationError):
            _adapter(cast("Any", kind)).validate_python(plain)
            return plain
    return values
