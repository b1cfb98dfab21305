"""Sessions on disk: journal, autosave, snapshot, loading, ownership."""
