"""Save and load sessions: journal, autosave, snapshot, ownership of the folder."""
