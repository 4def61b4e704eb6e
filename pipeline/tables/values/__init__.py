"""Values of a table, brought under one type: exactly or not at all."""
