"""Messages as the window says them: names before paths, no command-line options."""

from __future__ import annotations

import re

#: What is in brackets and speaks of the command line.
_ASIDE = re.compile(
    r"\s*\([^()]*(?:command line|--[a-z]"
    r"|contrastseg [a-z]+)[^()]*\)"
)
#: Folders at the beginning, and what is said of what lies there.
_PLACE = re.compile(
    r"(?P<place>(?:/|[A-Za-z]:[\\/])[^:]*[^:\s/\\]): (?P<rest>.+)", re.DOTALL
)
#: Said of what lies nowhere.
_GONE = "there is no such file"
#: What parts a folder and the name in it.
_LAST = re.compile(r"[/\\](?=[^/\\]+$)")


def in_window(message: str) -> str:
    """Say a message so that its beginning says what happened, and to what.

    Examples
    --------
    >>> in_window("/home/ann/masks/t1.nii.gz: exists already (--overwrite).")
    't1.nii.gz: exists already. (It lies in /home/ann/masks.)'
    """
    short = _ASIDE.sub("", message)
    found = _PLACE.fullmatch(short)
    if found is None:
        return short
    folder, name = _LAST.split(found["place"])[:2]
    where = "It was looked for in" if _GONE in found["rest"] else "It lies in"
    return f"{name}: {found['rest']} ({where} {folder}.)"
