"""How the shown volume is looked at: outlines, opacity, three planes, in 3-D."""
