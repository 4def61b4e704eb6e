"""How good a matte, a composite or a finished file is, measured."""
