"""Trains the GANs of the papers, and measures their samples."""
