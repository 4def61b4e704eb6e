"""Photographs from web servers: of listed hosts only, never of our own network."""
