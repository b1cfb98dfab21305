"""Every format, read by us and by a second library, and written: contrastseg bench."""
