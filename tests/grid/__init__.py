"""Hundreds of small pictures by other people's writers, and what reading them must give."""
