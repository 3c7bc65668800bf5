"""Statistics: arrays and a seed in, numbers with their uncertainty out; no input or output, no clock."""
