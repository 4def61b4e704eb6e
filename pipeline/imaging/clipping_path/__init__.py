"""Clipping paths: mattes that were drawn by hand, which Photoshop keeps beside the pixels.

`resources` finds Photoshop's blocks in a file, `saved` reads the paths among them, `outline` turns
curves into lines, `coverage` fills those and `inset` moves their edge.
"""
