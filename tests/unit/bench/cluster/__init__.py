"""Tests of clusters beside one process."""
