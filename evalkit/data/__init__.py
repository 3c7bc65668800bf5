"""Where samples come from: one file per source, and the snapshot on disk that every run reads."""
