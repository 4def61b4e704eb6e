"""Tables that a format of its own keeps: Delta, Iceberg and Lance."""
