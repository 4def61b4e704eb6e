"""What the machinery costs by itself. Not part of the wheel."""
