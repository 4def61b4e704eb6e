"""One file for each kind of picture: what its header says, and its pixels at full depth."""
