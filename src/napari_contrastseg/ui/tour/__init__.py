"""Help and the tour: what a person reads while working."""
