"""``python -m napari_contrastseg.cli``."""

from napari_contrastseg.cli import main

if __name__ == "__main__":
    main()
