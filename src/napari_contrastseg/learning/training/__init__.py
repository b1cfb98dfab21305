"""The training loop: stage runner, optimiser, checkpoints, events."""
