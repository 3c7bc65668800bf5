"""Scorers: one file per scorer, found by its file name; files that start with `_` are what they share."""
