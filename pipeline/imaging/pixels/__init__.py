"""Pixel arithmetic that knows no product: colour spaces, resizing, strips, tiles."""
