"""Speed and memory of losses, training steps and the embedding."""
