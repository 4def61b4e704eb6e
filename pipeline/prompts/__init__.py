"""Words: cleaning prompts, holding them to policies, styling them, asking a model about them.

Text in, text out: no network, no models, no tables, no pixels.
"""
