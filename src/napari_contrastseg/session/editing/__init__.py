"""Editing tools: change what is labelled of a slice, or of all slices, in one step."""
