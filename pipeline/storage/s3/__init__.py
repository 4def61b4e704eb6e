"""Object stores that speak S3: one client, its requests and what they are refused with."""
