"""Whether the alpha channel in a photograph's own file can serve as coverage."""
