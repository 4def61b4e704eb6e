"""From finished pixels to the finished file, and what is attested of that file."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.channels import load_channel
from pipeline.channels.verdict import findings
from pipeline.errors import Columns
from pipeline.imaging.canvas import Placed, fill
from pipeline.imaging.codec import OutputFormat, encode
from pipeline.imaging.fidelity import Fidelity, certify
from pipeline.imaging.inspection import Inspected, inspect
from pipeline.imaging.resample import resize
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
    seen = inspect(file)
    return {
        "picture": file,
        "height": height,
        "width": width,
        "fidelity": asdict(_fidelity(task.placed, rgb8_HWC, seen)),
        "verdict": _verdict(seen, task),
    }


def _fidelity(placed: Placed, rgb8_HWC: NDArray[np.uint8], seen: Inspected) -> Fidelity:
    """How faithful the file is to the photograph; both at the size of the file."""
    photo_HWC, alpha_HW = placed.rgb_HWC, placed.alpha_HW
    height, width = rgb8_HWC.shape[:2]
    resized = alpha_HW.shape != (height, width)
    if resized:
        photo_HWC = resize(photo_HWC, height, width)
        alpha_HW = resize(alpha_HW, height, width)
    return certify(
        photo_HWC,
        alpha_HW,
        rgb8_HWC,
        seen.rgb_HWC,
        resampled=resized or not placed.untouched,
    )


def _verdict(seen: Inspected, task: Task) -> Columns | None:
    shot = task.shot
    if shot.channel is None:
        return None
    found = findings(seen, load_channel(shot.channel), fill=fill(task.placed.alpha_HW))
    return {
        "channel": shot.channel,
        "accepted": not found,
        "rules": sorted({finding.rule for finding in found}),
        "findings": [f"{finding.rule}: {finding.message}" for finding in found],
    }
