"""For those who work on Backlot. Not part of the wheel."""
