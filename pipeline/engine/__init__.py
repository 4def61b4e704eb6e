"""What a stage is, how many workers of it fit a cluster, and what a worker does."""
