"""The store: one DuckDB file, the journals that fill it, and the blobs beside it."""
