"""Networks and generators: arrays in, arrays out. No ray, Arrow or network here."""
