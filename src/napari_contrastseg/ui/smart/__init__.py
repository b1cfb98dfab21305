"""Smart tools: a brush that snaps to edges, a box, numbered pieces."""
