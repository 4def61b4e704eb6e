"""Stages onto Ray Data: clusters, actors, blocks. The only package here that imports ray."""
