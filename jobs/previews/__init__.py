"""What is told before a run: what it would lack, and what its prompts become."""
