"""How picture files are built: their kind, their parts and what those say. No pixel is decoded."""
