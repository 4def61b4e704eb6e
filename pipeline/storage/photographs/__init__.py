"""The photographs that a manifest names: addresses, versions, and reading many at once."""
