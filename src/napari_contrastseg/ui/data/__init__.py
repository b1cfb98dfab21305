"""Step Data: volumes, slice axis, classes, slice status."""
