"""The alpha that a row brings along, so that no network has to find the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ErrorCode, Row, RowError
from pipeline.imaging.clipping_path.cut_along import (
    ClippingPathConfig,
    cut_along,
    find_paths,
    refusal,
)
from pipeline.imaging.cutout.given_mask import coverage_from, is_inverted, may_be_inverted
from pipeline.imaging.file_alpha.edge_colors import CutoutColors
from pipeline.imaging.reading.decode import decode_levels
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.reading.photo import Photo
from pipeline.stages.matting.file_alpha import (
    Ask,
    UseFileAlpha,
    Within,
    colors_of,
    judge,
    within,
)
from pipeline.stages.matting.saved_selection import selected

Float = NDArray[np.float32]

MaskWhite = Literal["auto", "product", "background"]

AlphaSource = Literal["mask", "clipping_path", "file", "saved_selection"]
"""Values of the column alpha_source, beside 'network'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenAlpha:
    """Coverage of the product that nobody here has to find."""

    alpha_HW: Float
    """[0, 1], at the size of the upright photograph."""
    source: AlphaSource
    colors: CutoutColors | None = None
    """What the photograph's colours are along the soft edge, where it came as a cut-out; None: a
    photograph's, mixed with the background that is seen around."""
    notes: tuple[str, ...] = ()
    """What a user would want to know of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PassedOver:
    """Something was brought that is not used."""

    notes: tuple[str, ...]
    """Why."""
    within: Within | None = None
    """The part of the photograph that is left for others to look at; None: all of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """What a row brings along."""

    given: GivenAlpha | None
    """What is taken of it; None: nothing."""
    notes: tuple[str, ...]
    """Notes on the alpha that is taken, and on those that were passed over before."""
    within: Within | None = None
    """Where a network has to look, if nothing is taken; None: everywhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlphaSources:
    """Which of the alphas that a row brings is taken, if any."""

    limits: ImageLimits
    use_file_alpha: UseFileAlpha
    clipping_path: ClippingPathConfig
    use_saved_selection: bool
    file_alpha_colors: str
    """The colours of files with alpha, as the recipe has them."""
    mask_white: MaskWhite
    has_network: bool
    """Something is there that cuts out what brings no alpha."""
    ask: Ask | None = None
    """The network that cuts out, where it is loaded."""

    def __call__(self, row: Row, photo: Photo) -> Brought:
        """The first that can be used, the most deliberate one before the others.

        A mask was named for this very row. A clipping path was drawn by hand to cut this picture
        out. An alpha channel is most often a cut-out, but need not be; a saved selection may be of
        anything. Hence the order: mask, clipping path, alpha channel, saved selection, network. A
        new source is one more method here, at its place in that order.

        Args:
            row: with `mask_bytes`, `image_bytes` and `clipping_path`.
            photo: the row's photograph, decoded.

        Raises:
            RowError: something was given and cannot be used, or nothing was and must be.
        """
        sources: tuple[Callable[[Row, Photo], GivenAlpha | PassedOver | None], ...] = (
            self._mask,
            self._clipping_path,
            self._file_alpha,
            self._saved_selection,
        )
        notes: list[str] = []
        part: Within | None = None
        for source in sources:
            found = source(row, photo)
            notes += found.notes if found is not None else ()
            if isinstance(found, PassedOver):
                part = found.within or part
            if isinstance(found, GivenAlpha):
                return Brought(given=found, notes=tuple(notes))
        if not self.has_network:
            also = f" ({'; '.join(notes)})" if notes else ""
            raise RowError(
                ErrorCode.BAD_REQUEST,
                "matte.network is 'existing', and the row has neither a mask_uri nor a photograph "
                "with a clipping path, an alpha channel or a saved selection that may be used"
                + also,
            )
        return Brought(given=None, notes=tuple(notes), within=part)

    def _mask(self, row: Row, photo: Photo) -> GivenAlpha | None:
        if row["mask_bytes"] is None:
            return None
        height, width = photo.rgb_HWC.shape[:2]
        try:
            levels = decode_levels(row["mask_bytes"], self.limits)
        except RowError as error:  # it speaks of a file, and the row has two
            raise RowError(error.code, f"mask_uri: {error.message}") from None
        mask = coverage_from(levels, (height, width))
        coverage_HW, notes = mask.coverage_HW, mask.notes
        if self.mask_white == "background":
            coverage_HW = 1 - coverage_HW
        elif self.mask_white == "auto" and may_be_inverted(
            coverage_HW, is_all_there_is=not self.has_network
        ):
            coverage_HW, note = self._right_way_round(coverage_HW, photo)
            notes = (*notes, note)
        return GivenAlpha(alpha_HW=coverage_HW, source="mask", notes=notes)

    def _right_way_round(self, coverage_HW: Float, photo: Photo) -> tuple[Float, str]:
        """A mask whose border is white, as it was meant, and a note."""
        if self.has_network and self.ask is None:
            return coverage_HW, "white stands along the mask's border: the network will tell"
        turned = None if self.ask is None else is_inverted(coverage_HW, self.ask(photo.rgb_HWC))
        if turned is None:
            raise RowError(
                ErrorCode.BAD_REQUEST,
                "mask_uri: white stands along the mask's border, as in masks for inpainting, where "
                "it is what to repaint, and the photograph does not tell which way round it is: "
                "white must be the product; or set matte.mask_white to 'product' or 'background'",
            )
        if turned:
            note = "mask inverted: white stands along its border, and the network sees the product"
            return 1 - coverage_HW, f"{note} where it is black"
        return coverage_HW, "white stands along the mask's border, and the network agrees"

    def _clipping_path(self, row: Row, photo: Photo) -> GivenAlpha | PassedOver | None:
        asked, config = row["clipping_path"], self.clipping_path
        paths = find_paths(row["image_bytes"], photo.format, config, asked=asked)
        if paths.chosen is None:
            return PassedOver(notes=paths.notes)
        height, width = photo.rgb_HWC.shape[:2]
        cut = cut_along(
            paths.chosen,
            (height, width),
            config,
            orientation=photo.orientation,
            is_asked_for=asked is not None,
        )
        if cut.alpha_HW is None:
            return PassedOver(notes=cut.notes)
        alpha_HW, notes = cut.alpha_HW, cut.notes
        fault = self._around_the_background(alpha_HW, photo)
        if fault and asked is not None:
            raise refusal(paths.chosen.name, fault)
        if fault:
            return PassedOver(notes=(f"clipping path {paths.chosen.name!r} not used: {fault}",))
        if photo.alpha_HW is not None and self.use_file_alpha != "never":
            # What is transparent has no colours to show, whatever was drawn around it.
            alpha_HW = np.minimum(alpha_HW, photo.alpha_HW)
            notes = (*notes, "the alpha channel limits the clipping path")
        return GivenAlpha(alpha_HW=alpha_HW, source="clipping_path", notes=notes)

    def _around_the_background(self, alpha_HW: Float, photo: Photo) -> str:
        """Whether a path that takes in most of the frame's border leaves the product out; why so.

        Such paths are drawn by a rectangle around the frame and the product inside of it. A product
        that fills its frame looks the same, and is given the benefit of the doubt.
        """
        if not may_be_inverted(alpha_HW, is_all_there_is=not self.has_network):
            return ""
        if not self.has_network:
            return "it goes around the background: it takes in all of the frame's border"
        if self.ask is not None and is_inverted(alpha_HW, self.ask(photo.rgb_HWC)):
            return "it goes around the background, where the network sees no product"
        return ""

    def _file_alpha(self, _: Row, photo: Photo) -> GivenAlpha | PassedOver | None:
        if photo.alpha_HW is None or self.use_file_alpha == "never":
            return None
        notes: tuple[str, ...] = ()
        if self.use_file_alpha == "auto":
            judged = judge(photo, ask=self.ask, has_network=self.has_network)
            notes = judged.notes
            if not judged.is_cutout:
                part = within(photo, judged.box) if self.has_network else None
                return PassedOver(notes=notes, within=part)
        colors, why = colors_of(photo, self.file_alpha_colors)
        return GivenAlpha(
            alpha_HW=photo.alpha_HW,
            source="file",
            colors=colors,
            notes=(*notes, f"colours of the cut-out: {colors}, {why}"),
        )

    def _saved_selection(self, row: Row, photo: Photo) -> GivenAlpha | PassedOver | None:
        if photo.selection_HW is None:
            return None
        if not self.use_saved_selection:
            return PassedOver(notes=("saved selection not used: matte.use_saved_selection",))
        data, has_network = row["image_bytes"], self.has_network
        found = selected(photo, data, ask=self.ask, has_network=has_network)
        if found.alpha_HW is None:
            return PassedOver(notes=found.notes)
        return GivenAlpha(alpha_HW=found.alpha_HW, source="saved_selection", notes=found.notes)
