"""Compare methods: cells of a comparison, peers, published figures, tables."""
