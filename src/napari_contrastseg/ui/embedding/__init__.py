"""Embedding dock: t-SNE map, silhouettes, links to the viewer."""
