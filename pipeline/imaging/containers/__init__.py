"""Parts that picture files are made of, found and checked; no pixel is decoded."""
