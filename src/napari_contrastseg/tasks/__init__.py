"""Tasks: generators that yield events, and the one way to drive them."""
