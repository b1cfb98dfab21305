"""The annotator's work: classes, ink, slice status, proposals, rounds, undo, store."""
