"""Ray Data runs the stages: clusters, actors, blocks and workers that are lost."""
