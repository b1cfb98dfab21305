"""Slices for training: cohort, sampling, augmentation, pixel size, slice axes."""
