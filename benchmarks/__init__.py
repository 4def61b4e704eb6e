"""What the machinery costs by itself, measured; not part of the wheel."""
