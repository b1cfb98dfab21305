"""Device, memory and random numbers."""
