"""What a selection that was saved with a photograph is worth, and which one it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.clipping_path.channel_names import channel_names
from pipeline.imaging.containers.photoshop_resources import DamagedError, image_resources
from pipeline.imaging.cutout.given_mask import is_inverted, may_be_inverted
from pipeline.imaging.file_alpha.shape import ShapeKind, shape_of
from pipeline.imaging.reading.decoder_choice import look
from pipeline.imaging.reading.photo import Photo
from pipeline.stages.matting.file_alpha import Ask

# Shape suffixes: H height, W width.

Float = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Selected:
    """A selection as coverage of the product, or why it is none."""

    alpha_HW: Float | None
    """[0, 1]; None: it is not used."""
    notes: tuple[str, ...]


def selected(photo: Photo, data: bytes, *, ask: Ask | None, has_network: bool) -> Selected:
    """Take a saved selection for a cut-out, unless it selects nothing or all there is.

    Whoever saved it may have selected the background: where it stands along the frame's border, and
    the network sees the product in what is left out, it is inverted.

    Args:
        photo: with a selection.
        data: its file.
        ask: the network; None: it is not at hand.
        has_network: a network would cut out what is not taken.
    """
    selection_HW = photo.selection_HW
    assert selection_HW is not None
    if selection_HW.max() < 0.5:
        return _unused("it selects nothing")
    if shape_of(selection_HW).kind is ShapeKind.NOTHING_HIDDEN:
        return _unused("it selects next to everything")
    notes = [f"saved selection used{_which(data, photo.format)}"]
    if may_be_inverted(selection_HW, is_all_there_is=not has_network):
        if ask is None:
            whose = "the network will tell" if has_network else "there is no network to ask"
            notes.append(f"it stands along the frame's border, perhaps inverted: {whose}")
        elif is_inverted(selection_HW, ask(photo.rgb_HWC)):
            selection_HW = 1 - selection_HW
            notes.append("inverted: it is of the background, as the network sees it")
    return Selected(alpha_HW=selection_HW, notes=tuple(notes))


def _unused(why: str) -> Selected:
    return Selected(alpha_HW=None, notes=(f"saved selection not used: {why}",))


def _which(data: bytes, file_format: str) -> str:
    """Which of a file's selections was read, where it has several or they have names."""
    count = look(data, file_format).num_selections
    try:
        names = channel_names(image_resources(data, file_format))
    except DamagedError:
        names = []
    if not names or len(names) != count:
        return f": the first of {count}" if count > 1 else ""
    return f": the first of {', '.join(map(repr, names))}" if count > 1 else f": {names[0]!r}"
