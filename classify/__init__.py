"""Trains the classifiers of the papers, and measures them."""
