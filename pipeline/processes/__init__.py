"""Processes of this machine: signals, locks, helpers, and what the driver does."""
