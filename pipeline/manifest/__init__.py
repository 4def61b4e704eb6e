"""What a manifest says: its rows, what each asks for, and the channels it names."""
