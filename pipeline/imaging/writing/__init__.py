"""Finished pixels become files, which say how they were made."""
