"""Annotation session: classes, ink, slice status, proposals, rounds, undo, saving."""
