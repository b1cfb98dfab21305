"""Tests of step Tools."""
