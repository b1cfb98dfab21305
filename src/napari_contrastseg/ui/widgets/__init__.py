"""Widgets that several steps use: forms, notices."""
