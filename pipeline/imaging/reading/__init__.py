"""Photographs from anywhere: identified, checked, decoded and converted to sRGB."""
