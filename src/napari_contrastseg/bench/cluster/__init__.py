"""Clusters: the same results as without, and nothing lost when a part of one dies."""
