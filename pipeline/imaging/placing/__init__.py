"""Where a product stands on its canvas, and the sizes a picture passes through."""
