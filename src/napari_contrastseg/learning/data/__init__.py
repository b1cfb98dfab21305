"""Slices for training: cohort, cache, sampling, augmentation, pixel size, slice axes."""
