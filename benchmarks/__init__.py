"""What the machinery costs, beside the same work without it; not in the wheel.

Ratios are of one run on one machine. Speeds of two runs are hardly comparable, ratios nearly so.
"""
