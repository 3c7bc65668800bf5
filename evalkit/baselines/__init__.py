"""Baselines: candidates that compute their answers here, without a key or a network."""
