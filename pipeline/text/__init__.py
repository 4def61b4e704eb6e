"""Texts of others: YAML read as plain values, words made fit to be shown."""
