"""Networks that cut products out: a photograph in, a coarse alpha out.

One class for each architecture; the checkpoint is configuration.
"""
