"""The stages: columns in, columns out. Glue between rows and the pixel and model code."""
