"""Panels: each edits a value and tells what the person wants; none trains."""
