"""Running a recipe over a manifest, or again over rows of a dataset."""
