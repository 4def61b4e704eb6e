"""What a terminal shows: logs, progress, and what libraries would print."""
