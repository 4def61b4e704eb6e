"""The commands of `backlot`; they import what is heavy when called."""
