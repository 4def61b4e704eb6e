"""Arithmetic on pixels that knows no product: colour spaces, resizing, strips and tiles."""
