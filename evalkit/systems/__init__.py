"""Systems: candidates made of a prompt and a model, or of other candidates."""
