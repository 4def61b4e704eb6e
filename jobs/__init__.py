"""What people run: the `backlot` command and the shipped recipes."""
