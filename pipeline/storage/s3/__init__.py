"""Object stores that speak S3: one client, its requests, and their refusals."""
