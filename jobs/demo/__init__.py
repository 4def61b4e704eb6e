"""The small catalogue that ships with Backlot."""
