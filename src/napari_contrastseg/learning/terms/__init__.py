"""Loss terms of a training stage: what each computes from a training step."""
