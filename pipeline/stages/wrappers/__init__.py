"""Stages around other stages: stricter limits, and work that rows share."""
