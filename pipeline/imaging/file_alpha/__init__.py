"""Whether the alpha channel of a photograph's own file can be used as a product's coverage."""
