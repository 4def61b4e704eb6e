"""Pixels in, pixels out: numpy, scipy, Pillow; no torch, ray, network or Arrow."""
