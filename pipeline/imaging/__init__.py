"""Pixels in, pixels out: numpy, scipy, Pillow, pymatting; no torch, ray, network or Arrow."""
