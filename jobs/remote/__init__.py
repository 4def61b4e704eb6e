"""Jobs on a Ray cluster elsewhere: handed in, followed, stopped."""
