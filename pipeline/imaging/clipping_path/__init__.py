"""Clipping paths, which Photoshop keeps in a file, as a product's coverage.

`saved_paths` reads the paths among the blocks that `photoshop_resources` finds, `outline` turns
curves into lines, `coverage` fills those and `inset` moves their edge.
"""
