"""Tables in formats that keep versions of them: Delta, Iceberg and Lance."""
