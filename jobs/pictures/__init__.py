"""Looking at picture files: what is in them, and who would take them."""
