"""What the render stage is made of: from a prepared row to the finished, attested file."""
