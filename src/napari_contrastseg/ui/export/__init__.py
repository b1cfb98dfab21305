"""Step Export: masks, model."""
