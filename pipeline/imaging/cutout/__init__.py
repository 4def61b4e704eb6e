"""A product's coverage, from a network's coarse alpha or from a given mask."""
