"""Background generators. One class per architecture; the checkpoint is configuration."""
