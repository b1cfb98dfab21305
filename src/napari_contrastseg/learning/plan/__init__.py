"""What a recipe plans: stages, settings, their help."""
