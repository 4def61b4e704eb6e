"""A run and its folder: which run it is, what it holds, what is left to do, and what came of it."""
