"""Every claim made in the docs, as a program."""
