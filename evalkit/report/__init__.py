"""The HTML report: plain rows in, files out; no network, no clock, no store."""
