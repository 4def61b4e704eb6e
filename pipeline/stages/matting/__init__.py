"""The alpha that a row or its photograph's own file brings along."""
