"""Runs untrusted programs apart from everything else; `sandbox.Sandbox` is the door."""
