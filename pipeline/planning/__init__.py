"""The plan: a manifest in, a row for each result out, with everything decided."""
