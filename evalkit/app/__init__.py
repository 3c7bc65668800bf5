"""Use cases, one file each: the only place where rooms meet."""
