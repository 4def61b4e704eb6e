"""Parts of the matte stage: the alpha that a row or its photograph brings along."""
