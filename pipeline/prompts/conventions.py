"""The convention of a prompt's first character."""

STAR = "*"
"""In front of a prompt: do not paste the product back, the model's rendering is the result."""
