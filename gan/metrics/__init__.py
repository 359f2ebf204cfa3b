"""Fréchet distance: arithmetic on features, feature networks, reference statistics."""
