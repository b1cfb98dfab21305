"""Step Learn: recipe, settings, running and resuming a round."""
