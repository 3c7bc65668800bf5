"""Suites as pytest items: `pytest --evalkit suites/`."""
