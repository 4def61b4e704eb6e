"""The stages that every row goes through: columns in, columns out.

Glue between rows and the code of pixels and models.
"""
