"""Sample images: MNI152, phantoms, MSD Hippocampus."""
