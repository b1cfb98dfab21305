"""Numbers with their nouns in messages: 1 mask, 2 masks."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Write a number and its noun, which takes an s unless the number is 1."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
