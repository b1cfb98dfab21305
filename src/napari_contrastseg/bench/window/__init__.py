"""Responsiveness and leaks of the real window."""
