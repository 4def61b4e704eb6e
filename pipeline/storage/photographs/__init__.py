"""A manifest's photographs: addresses, versions, and reading many at once."""
