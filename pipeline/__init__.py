"""Backlot: background replacement for catalog photographs, in bulk. Start reading at `flow.py`."""
