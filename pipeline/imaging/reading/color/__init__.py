"""What the numbers of a file mean as colours, and the same colours in sRGB."""
