"""Background generators: a class for each architecture, checkpoints as settings."""
