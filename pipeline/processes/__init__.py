"""Processes of this machine, ours and those beside us: interrupted, locked out, and cleaned up."""
