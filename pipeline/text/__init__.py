"""Text that others wrote, made fit to be read and to be shown."""
