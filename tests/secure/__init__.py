"""What strangers may do to a run, and what they may not: a module for each weakness once found.

The threat model in docs/security.md names these modules. Those that take seconds run with all other
tests; those that start Ray or wait for slow servers are marked `secure`, and `make secure` runs the
whole. Every input here is harmless: what is tested is our guard, not outside software.
"""
