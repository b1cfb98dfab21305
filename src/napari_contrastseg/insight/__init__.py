"""What the network sees: feature table, t-SNE, silhouettes, what to label next."""
