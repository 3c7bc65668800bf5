"""Floor 0: the nouns, keys, specs, errors and units that every room shares."""
