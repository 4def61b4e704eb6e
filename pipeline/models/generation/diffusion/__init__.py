"""Backgrounds from diffusion models: one adapter table, one backend, checkpoints by configuration.

Read `table.py` first. Importing this package does not import torch; `backend` does.
"""
