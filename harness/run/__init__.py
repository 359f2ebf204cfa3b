"""A run: its directory, its loop, and what it does beside its steps."""
