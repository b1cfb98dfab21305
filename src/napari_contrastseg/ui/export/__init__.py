"""Step Export: choose an export, its options, a folder."""
