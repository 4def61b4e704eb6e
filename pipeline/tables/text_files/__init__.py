"""Tables in text files: CSV, JSON Lines and other JSON."""
