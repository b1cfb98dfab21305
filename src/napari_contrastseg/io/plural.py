"""Numbers with their nouns in messages: 1 mask, 2 masks."""

from __future__ import annotations


def plural(count: float, noun: str) -> str:
    """Write a number and its noun, which takes an s unless the number is 1."""
    number = str(count) if isinstance(count, int) else f"{count:.12g}"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"
