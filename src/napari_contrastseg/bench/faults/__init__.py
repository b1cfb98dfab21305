"""Fault injection: kill a process that paints, truncate files, fill the disk."""
