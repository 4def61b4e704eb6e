"""Stages wrapped in other stages: limits that are stricter, work that rows share."""
