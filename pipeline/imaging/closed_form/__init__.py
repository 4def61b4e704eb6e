"""pymatting's solvers, compiled by numba: an extra that need not be installed."""
