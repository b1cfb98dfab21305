"""A simulated annotator: Dice over annotator time."""
