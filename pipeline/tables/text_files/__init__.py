"""Tables in files of text: CSV, JSON Lines and other JSON."""
