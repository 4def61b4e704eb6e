"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the repository."""
