"""The convention of a prompt's first character."""

STAR = "*"
"""The mark in front of a prompt that asks not to paste the product back: the model's rendering is
the result."""
