"""The engine: plans, limits, retries, budgets, journal and executors; it knows nobody's name."""
