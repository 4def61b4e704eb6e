"""A module for each kind of picture file: its header, its pixels in full depth."""
