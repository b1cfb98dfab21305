"""Losses, one family a file; every docstring cites its source."""
