"""Step Review: thresholds, accept and reject, review queue."""
