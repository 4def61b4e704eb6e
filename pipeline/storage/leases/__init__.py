"""One run, one driver: leases on a run's folder, on a disk or an object store."""
