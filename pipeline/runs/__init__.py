"""A run and its folder: what it holds, what is left to do, and what came of it."""
