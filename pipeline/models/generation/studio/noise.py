"""Band-limited noise sampled at arbitrary coordinates: the grain of every surface and sky.

Each octave holds one band of frequencies only, so detail finer than a pixel (or than the blur of
the lens) is removed by leaving its octave out: no moire, no aliasing, no filtering afterwards. The
idea is that of Cook and DeRose, "Wavelet noise", SIGGRAPH 2005.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

# Shape suffixes: H height, W width. `footprint` is what one pixel covers on the surface, same
# unit as the coordinates; shape (H, 1) or a number.

Float = NDArray[np.float32]

_SIDE = 1024  # samples per side of a tile; a power of two so that wrapping is a mask
_CYCLES = 64  # wavelengths per side: 16 samples each, where bilinear reading loses under 2 %
_TILE_SEED = 20240229  # the tiles are a constant; a request's seed chooses where they are read


@dataclass(frozen=True, slots=True)
class Tiles:
    """Two periodic tiles of the same noise, each of unit variance."""

    value: Float
    slope: Float
    """Derivative of `value` along its second axis."""


def bake() -> Tiles:
    """Make the tiles: white noise through a one-octave band-pass filter."""
    white = np.random.Generator(np.random.PCG64(_TILE_SEED)).standard_normal((_SIDE, _SIDE))
    fy = np.fft.fftfreq(_SIDE, 1 / _SIDE)[:, None]
    fx = np.fft.rfftfreq(_SIDE, 1 / _SIDE)[None, :]
    octave = np.log2(np.maximum(np.hypot(fx, fy), 1e-3) / _CYCLES)
    spectrum = scipy.fft.rfft2(white) * np.exp(-((octave / 0.55) ** 2))
    value = scipy.fft.irfft2(spectrum, s=white.shape)
    slope = scipy.fft.irfft2(spectrum * (1j * fx), s=white.shape)
    return Tiles((value / value.std()).astype(np.float32), (slope / slope.std()).astype(np.float32))


def read(tile: Float, u_HW: Float, v_HW: Float) -> Float:
    """Bilinear reading of a periodic tile; coordinates in samples."""
    column, row = np.floor(u_HW), np.floor(v_HW)
    du, dv = u_HW - column, v_HW - row
    i = column.astype(np.int32) & (_SIDE - 1)
    j = (row.astype(np.int32) & (_SIDE - 1)) * _SIDE
    i_next, j_next = (i + 1) & (_SIDE - 1), (j + _SIDE) & (_SIDE * _SIDE - 1)
    flat = tile.ravel()
    top, bottom = flat.take(j + i), flat.take(j_next + i)
    top += (flat.take(j + i_next) - top) * du
    bottom += (flat.take(j_next + i_next) - bottom) * du
    top += (bottom - top) * dv
    return top


@dataclass(frozen=True, slots=True)
class Noise:
    """Unit-variance noise fields; each call draws a new one from `rng`."""

    tiles: Tiles
    rng: np.random.Generator

    def fbm(
        self,
        x_HW: Float,
        y_HW: Float,
        *,
        wavelength: float,
        octaves: int,
        gain: float = 0.5,
        footprint: Float | float = 0.0,
        stretch: Sequence[float] = (1.0, 1.0),
    ) -> Float:
        """Sum of octaves, from `wavelength` down, each twice as fine and `gain` times as strong.

        Args:
            x_HW: coordinates, broadcast with `y_HW`.
            y_HW: coordinates.
            wavelength: of the coarsest octave.
            octaves: how many.
            gain: ratio of amplitudes between octaves.
            footprint: octaves finer than this are faded out.
            stretch: how much longer than `wavelength` features are along x and y.
        """
        return self._sum(
            self.tiles.value, x_HW, y_HW, wavelength, octaves, gain, footprint, stretch, turns=True
        )

    def relief(
        self,
        x_HW: Float,
        y_HW: Float,
        *,
        wavelength: float,
        octaves: int,
        gain: float = 0.5,
        footprint: Float | float = 0.0,
        toward: float = 0.0,
    ) -> Float:
        """How much a rough surface turns to a light at angle `toward`: radians, 0 along x.

        Derivative of a fractal height field along that direction: positive where it faces the
        light.
        """
        c, s = np.float32(np.cos(toward)), np.float32(np.sin(toward))
        along, across = x_HW * c + y_HW * s, y_HW * c - x_HW * s
        return self._sum(
            self.tiles.slope,
            along,
            across,
            wavelength,
            octaves,
            gain,
            footprint,
            (1.0, 1.0),
            turns=False,
        )

    def _sum(
        self,
        tile: Float,
        x_HW: Float,
        y_HW: Float,
        wavelength: float,
        octaves: int,
        gain: float,
        footprint: Float | float,
        stretch: Sequence[float],
        *,
        turns: bool,
    ) -> Float:
        x_HW, y_HW = np.broadcast_arrays(x_HW, y_HW)
        height = x_HW.shape[0]
        cell = np.broadcast_to(np.asarray(footprint, dtype=np.float32).reshape(-1, 1), (height, 1))
        total = np.zeros(x_HW.shape, dtype=np.float32)
        norm = np.sqrt(sum(gain ** (2 * k) for k in range(octaves)))
        offsets = self.rng.uniform(0, _SIDE, (octaves, 2))
        angles = self.rng.uniform(-0.25, 0.25, octaves) if turns else np.zeros(octaves)
        for k in range(octaves):
            # 1.93, not 2: the periods of the tiles of two octaves never coincide.
            wave = wavelength / 1.93**k
            weight_H1 = _visible(wave * min(stretch), cell) * np.float32(gain**k / norm)
            rows = np.flatnonzero(weight_H1[:, 0] > 1e-3)
            if rows.size == 0:
                continue
            span = slice(int(rows[0]), int(rows[-1]) + 1)
            density = _SIDE / _CYCLES / wave
            c, s = np.cos(angles[k]) * density, np.sin(angles[k]) * density
            x, y = x_HW[span] / np.float32(stretch[0]), y_HW[span] / np.float32(stretch[1])
            u = x * np.float32(c) + y * np.float32(s) + np.float32(offsets[k, 0])
            v = y * np.float32(c) - x * np.float32(s) + np.float32(offsets[k, 1])
            total[span] += weight_H1[span] * read(tile, u, v)
        return total


def smoothstep(low: float | Float, high: float | Float, x: Float) -> Float:
    """0 below `low`, 1 above `high`, a smooth cubic between (Hermite)."""
    t = np.clip((x - low) / (high - low), 0, 1).astype(np.float32, copy=False)
    return t * t * (3 - 2 * t)


def _visible(wavelength: float, footprint: Float) -> Float:
    # Nyquist asks for two samples per wavelength; fading from 1.6 to 4 hides where detail ends.
    samples = np.asarray(wavelength / np.maximum(footprint, 1e-9), dtype=np.float32)
    return smoothstep(1.6, 4.0, samples)
