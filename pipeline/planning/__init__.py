"""A manifest in, one row per result out, with everything about each row decided."""
