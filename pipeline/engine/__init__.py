"""What a stage is, how many of its workers fit a cluster, and what a worker does with its rows."""
