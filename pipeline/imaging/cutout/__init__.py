"""From a network's coarse alpha, or a mask that is given, to a product's coverage."""
