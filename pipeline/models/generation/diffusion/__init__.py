"""Diffusion models draw backgrounds: one table of pipelines, one backend.

Read `pipeline_table.py` first. Importing this package does not import torch; `backend` does.
"""
