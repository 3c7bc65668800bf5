"""Speed and memory: `python -m tests.benchmarks` prints one JSON object per line for each limit."""
