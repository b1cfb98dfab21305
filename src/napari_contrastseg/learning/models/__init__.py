"""Trained models: card, folder on disk, prediction."""
