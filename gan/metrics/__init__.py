"""Metrics: arithmetic on features; feature networks, statistics, and sources of images."""
