"""Assertions about models for a test suite: no regression against a baseline, said by the same statistics."""
