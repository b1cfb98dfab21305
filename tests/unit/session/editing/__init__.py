"""Tests of the editing tools."""
