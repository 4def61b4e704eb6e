"""Pictures as arrays: they are read, cut out, placed, composed and written.

numpy, scipy, Pillow and imagecodecs; no torch, Ray, network or Arrow.
"""
