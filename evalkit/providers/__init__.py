"""Ways to reach a model: one file or small package per vendor or runtime, over one lean HTTP transport."""
