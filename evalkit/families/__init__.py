"""Families: kinds of models, each with the fields of its samples and what to start from."""
