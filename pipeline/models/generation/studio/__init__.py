"""A background generator with no weights: words to a photographer's set, drawn with numpy alone."""

from pipeline.models.generation.studio.studio import Studio, StudioConfig

__all__ = ["Studio", "StudioConfig"]
