"""Parts of the render stage: from a prepared row to the finished, signed file."""
