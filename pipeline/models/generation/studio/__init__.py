"""The generator without weights: draws a photographer's set from words.

numpy alone draws it.
"""

from pipeline.models.generation.studio.studio import Studio, StudioConfig

__all__ = ["Studio", "StudioConfig"]
