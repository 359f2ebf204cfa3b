"""Pictures: lines, charts and grids of images."""
