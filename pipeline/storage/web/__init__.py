"""Photographs from web servers: from listed hosts only, and never from our own network."""
