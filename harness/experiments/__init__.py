"""Experiments: many jobs, and what came of them."""
