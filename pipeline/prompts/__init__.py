"""Prompts are cleaned, held to policies, styled, and asked of a language model.

Text in, text out: no network, no models, no tables, no pixels.
"""
