"""From finished pixels to the finished file, and what is attested of that file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.brief import Shot
from pipeline.channels import load_channel
from pipeline.channels.verdict import findings
from pipeline.errors import Columns
from pipeline.imaging.canvas import fill
from pipeline.imaging.codec import OutputFormat, encode
from pipeline.imaging.inspection import inspect
from pipeline.stages.compose import Task

# Shape suffixes: H height, W width, C colour channel.


@dataclass(frozen=True, kw_only=True, slots=True)
class Finishing:
    """What the recipe has to say about files."""

    format: OutputFormat
    """Where the shot does not say."""
    quality: int


def finish(task: Task, rgb8_HWC: NDArray[np.uint8], recipe: Finishing) -> Columns:
    """The file of a finished picture, and the columns that describe it.

    Args:
        task: the row it was made for.
        rgb8_HWC: sRGB, at the size of the file.
        recipe: formats and what else files are to have.
    """
    format_ = OutputFormat(task.shot.output_format or recipe.format)
    file = encode(rgb8_HWC, format=format_, quality=recipe.quality)
    height, width = rgb8_HWC.shape[:2]
    return {
        "picture": file,
        "height": height,
        "width": width,
        "verdict": _verdict(file, task.shot, product_fill=fill(task.placed.alpha_HW)),
    }


def _verdict(file: bytes, shot: Shot, *, product_fill: float) -> Columns | None:
    if shot.channel is None:
        return None
    found = findings(inspect(file), load_channel(shot.channel), fill=product_fill)
    return {
        "channel": shot.channel,
        "accepted": not found,
        "rules": sorted({finding.rule for finding in found}),
        "findings": [f"{finding.rule}: {finding.message}" for finding in found],
    }
