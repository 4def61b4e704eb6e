"""Finished pixels become files, with what those say of themselves."""
