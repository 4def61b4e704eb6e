"""Networks and generators: arrays in, arrays out.

They know no Ray, no Arrow and no network of computers.
"""
