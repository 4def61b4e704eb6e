"""High dynamic range to standard range: PQ and HLG, tone-mapped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.imaging.libraries.samples import Cicp
from pipeline.imaging.reading.color.cicp import (
    PQ,
    PRIMARIES,
    hlg_scene,
    levels_of,
    pq_encoded,
    pq_nits,
)
from pipeline.imaging.reading.color.primaries import to_srgb, to_xyz
from pipeline.imaging.reading.color.rgb_space import RgbSpace, to_srgb8_by

# Shape suffixes: H height, W width, C colour channel, N pixel.

Float = NDArray[np.float32]

REFERENCE_WHITE = 203.0
"""cd/m2 of a white surface in HDR (ITU-R BT.2408-7, 2.2); white of the standard range."""
_PQ_PEAK = 10_000.0
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
"""BT.2100-2's nominal display of HLG: table 5, note 5f."""

_PEAK_PERCENTILE = 99.9
"""The percentile of a picture's pixels that is called its peak: a few glints are not it."""
_PEAK_SAMPLES = 1 << 18
_GAINS = 1 << 16


def hdr_to_srgb8(values_HWC: NDArray[Any], cicp: Cicp) -> tuple[NDArray[np.uint8], float]:
    """Bring HDR samples to sRGB.

    By ITU-R BT.2390-11, 5.4.1 (the EETF): light is kept as it is up to a knee, and above it rolled
    off so that the picture's peak becomes white, 203 cd/m2. It is applied to the largest of R, G
    and B, and all three are scaled alike: hues stay, and nothing above is clipped. The peak is the
    picture's own (99.9 % of its pixels), so that a picture without highlights comes out unchanged;
    mid-grey, 18 % of white, always does.

    HLG is shown on the nominal display of BT.2100 first: 1000 cd/m2, system gamma 1.2, which puts
    its reference white, 75 %, at 203 cd/m2.

    Args:
        values_HWC: uint8 or uint16, RGB.
        cicp: with PQ or HLG, and primaries that there are.

    Returns:
        HWC, sRGB; and the peak in cd/m2, at least white's.
    """
    light = _light_of(cicp, num_levels=1 << 8 * values_HWC.dtype.itemsize)
    height, width, _ = values_HWC.shape
    step = max(1, int(np.sqrt(height * width / _PEAK_SAMPLES)))
    sample_3N = light.nits_srgb(values_HWC[::step, ::step].reshape(-1, 3))
    brightest = np.percentile(sample_3N.max(axis=0), _PEAK_PERCENTILE)
    peak = float(np.clip(brightest, REFERENCE_WHITE, _PQ_PEAK))
    gains = _gains(peak)

    def linear_srgb(values_NC: NDArray[Any]) -> Float:
        nits_3N = light.nits_srgb(values_NC)
        nits_3N *= gains.take(_gain_index(nits_3N.max(axis=0)), mode="clip")
        return nits_3N

    return to_srgb8_by(linear_srgb, values_HWC), peak


@dataclass(frozen=True, slots=True, eq=False)
class _Light:
    space: RgbSpace
    """The space of linear light: cd/m2 of a display for PQ, light of the scene for HLG."""
    luminance_3: Float | None
    """HLG: what R, G and B of linear sRGB add to luminance."""

    def nits_srgb(self, values_NC: NDArray[Any]) -> Float:
        """cd/m2 in linear sRGB, 3 x N; what sRGB does not have is clipped at 0."""
        light_3N = self.space.to_linear_srgb(values_NC)
        if self.luminance_3 is not None:  # BT.2100-2, table 5: OOTF
            scene_N = np.maximum(self.luminance_3 @ light_3N, 0)
            light_3N *= scene_N ** np.float32(_HLG_GAMMA - 1) * np.float32(_HLG_PEAK)
        return np.maximum(light_3N, 0, out=light_3N)


@lru_cache(maxsize=4)
def _light_of(cicp: Cicp, *, num_levels: int) -> _Light:
    encoded_L = levels_of(cicp, num_levels)
    curve_L = pq_nits(encoded_L) if cicp.transfer == PQ else hlg_scene(encoded_L)
    to_srgb_33 = to_srgb(PRIMARIES[cicp.primaries])
    space = RgbSpace(
        linear_CL=np.tile(curve_L.astype(np.float32), (3, 1)),
        to_srgb_33=to_srgb_33.astype(np.float32),
    )
    if cicp.transfer == PQ:
        return _Light(space, None)
    luminance_3 = to_xyz(PRIMARIES[cicp.primaries])[1] @ np.linalg.inv(to_srgb_33)
    return _Light(space, luminance_3.astype(np.float32))


def _gain_index(nits_N: Float) -> NDArray[np.uint16]:
    """The square root of luminance in 65536 steps: where there is a gain, finer than .1 %."""
    scale = np.float32((_GAINS - 1) / np.sqrt(_PQ_PEAK))
    return (np.sqrt(np.minimum(nits_N, np.float32(_PQ_PEAK))) * scale).astype(np.uint16)


def _gains(peak: float) -> Float:
    """The gain of light at each of `_gain_index`'s steps, so that white becomes 1."""
    nits = (np.arange(1, _GAINS) / (_GAINS - 1)) ** 2 * _PQ_PEAK
    gains = eetf(nits, peak=peak) / nits / REFERENCE_WHITE
    return np.concatenate([gains[:1], gains]).astype(np.float32)


def eetf(nits: NDArray[Any] | float, *, peak: float) -> NDArray[np.float64]:
    """Luminance on a display of 203 cd/m2 of luminance up to `peak`; BT.2390-11, 5.4.1, black at 0.

    Args:
        nits: cd/m2, any shape; above the peak it is the peak.
        peak: cd/m2, 203 or more.
    """
    full = pq_encoded(peak)
    level = pq_encoded(np.minimum(nits, peak)) / full
    top = pq_encoded(REFERENCE_WHITE) / full
    knee = 1.5 * top - 0.5
    if knee >= 1:  # nothing is brighter than white
        return np.asarray(np.minimum(nits, peak), np.float64)
    t = (level - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * top
    )
    return pq_nits(np.where(level < knee, level, spline) * full)
