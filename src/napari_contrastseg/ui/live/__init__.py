"""Step by step answers to strokes, before any round is run."""
