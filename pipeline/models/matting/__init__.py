"""Matting networks: a photograph in, a coarse alpha out. One class per architecture."""
