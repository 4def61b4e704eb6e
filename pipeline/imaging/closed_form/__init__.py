"""What pymatting computes, with its functions compiled by numba: an extra."""
