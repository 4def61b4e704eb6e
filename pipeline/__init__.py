"""Backlot: new backgrounds for catalogue photographs, in bulk. Begin at flow.py."""
