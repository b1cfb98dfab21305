"""Deep learning: networks, data, losses, recipes' stages, training, prediction.

Importing this package loads no torch; its modules do.
"""
