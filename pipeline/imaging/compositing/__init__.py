"""A product laid over its new background: its own colours, shadows and one light."""
