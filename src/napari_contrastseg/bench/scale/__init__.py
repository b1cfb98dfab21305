"""Volumes larger than memory and large pictures, from adding them to reopening."""
