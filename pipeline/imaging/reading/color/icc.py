"""Colour profiles: what a file's numbers mean, and the same colours as sRGB."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from pipeline.imaging.libraries.samples import Cicp, Space
from pipeline.imaging.reading.color.profile_cache import remembered
from pipeline.imaging.reading.color.rgb_space import RgbSpace, to_srgb8_by

# Shape suffixes: H height, W width, C colour channel, L level of a sample, N pixel.

Levels = NDArray[Any]
"""Samples in uint8 or uint16."""

_SPACES: dict[str, Space] = {"GRAY": "grey", "RGB ": "rgb", "CMYK": "cmyk", "Lab ": "lab"}
"""The samples that a profile of each ICC colour space describes."""

_MODES: dict[Space, str] = {"grey": "L", "rgb": "RGB", "cmyk": "CMYK", "lab": "LAB"}
"""Pillow's name of 8-bit samples."""

_COLORSPACES: dict[Space, str] = {"grey": "gray", "rgb": "rgb", "cmyk": "cmyk", "lab": "lab"}
"""The name that imagecodecs has for them."""

_UNREADABLE = (OSError, ValueError, TypeError, ImageCms.PyCMSError, imagecodecs.CmsError)
"""The errors that Little CMS and the doors to it raise on a profile that is none."""

_RELATIVE_COLORIMETRIC = 1
_BLACK_POINT = int(ImageCms.Flags.BLACKPOINTCOMPENSATION)
_EXACT = _BLACK_POINT | int(ImageCms.Flags.NOOPTIMIZE)
"""None of Little CMS's shortcuts. Above 8 bits it would resample the whole conversion to a table
of 33 steps, which is up to 20 levels of 255 off in dark saturated colours."""

_MAX_TAGS = 100
"""The most that Little CMS reads."""

MOST_PROFILE_BYTES = 4 * 2**20
"""The most bytes of a profile that is looked at. Those of presses, the largest there are, have 0.5
to 2.5 MB."""

_DATE_TIME = slice(24, 36)
"""The bytes of the header that hold the profile's time of creation (ICC.1:2022, table 17)."""


_LEAST_VOLUME = 1e-4
"""The least volume that three primaries span in XYZ, white at Y = 1. Those of sRGB span 0.2."""


class UnusableProfileError(ValueError):
    """A profile that cannot be read, or that is for other samples; its text is for people."""


@cache
def press_profile() -> bytes:
    """What CMYK is taken for that does not say: web offset on coated paper (SWOP, CGATS TR 001).

    It is what Photoshop has gone by for decades where nobody chose. Inks of FOGRA39, Europe's, come
    out 2.4 CIEDE2000 off by it in the mean of photographs, by plain inversion 6.6.
    """
    return Path(__file__).with_name("profiles").joinpath("CGATS001Compat-v2-micro.icc").read_bytes()


@cache
def srgb_profile() -> bytes:
    """The sRGB profile our files carry: about 600 bytes, the same in every process."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS stamps the clock into it, and then equal pictures would not be equal files.
    profile[_DATE_TIME] = b"".join(part.to_bytes(2, "big") for part in (2000, 1, 1, 0, 0, 0))
    return bytes(profile)


def is_srgb(profile: bytes) -> bool:
    """Whether the pixels under this profile are sRGB already, whatever it is called.

    One over `MOST_PROFILE_BYTES` is not looked at, and so is none that is known to be.
    """
    if len(profile) > MOST_PROFILE_BYTES:
        return False
    try:
        _, space = _describe(profile)
        return space in ("rgb", "grey") and _transform(profile, space) is None
    except _UNREADABLE:
        return False


def to_srgb8_by_profile(
    values_HWC: Levels, space: Space, profile: bytes
) -> tuple[NDArray[np.uint8] | None, str]:
    """Express samples in sRGB: relative colorimetric, with black point compensation.

    They are converted at the depth they have and rounded once.

    Args:
        values_HWC: as `Samples` has them.
        space: what they are.
        profile: the ICC profile that came with them.

    Returns:
        HWC, sRGB, or None: they are sRGB as they stand. And the profile's own name.

    Raises:
        UnusableProfileError: the profile cannot be read, is for other samples, or is larger than
            `MOST_PROFILE_BYTES`.
    """
    _check_bytes(profile)
    try:
        name, described = _describe(profile)
        if space == "grey" and described == "rgb":  # common: grey tagged with its workflow's RGB
            values_HWC, space = np.repeat(values_HWC, 3, axis=-1), "rgb"
        if space == described and _tells_colours_apart(profile, space):
            return _convert(values_HWC, space, profile), name
    except _UNREADABLE as error:
        treatment = "taken as sRGB" if space in ("grey", "rgb") else "ignored"
        raise UnusableProfileError(f"ICC profile unreadable, {treatment}") from error
    if space == described:
        raise UnusableProfileError(f"ICC profile {name!r} cannot tell colours apart, ignored")
    kind = "grey" if space == "grey" else _MODES[space]
    raise UnusableProfileError(f"ICC profile {name!r} is not for {kind} pixels, ignored")


@remembered(32)
def _tells_colours_apart(profile: bytes, space: Space) -> bool:
    """Whether the primaries of an RGB profile span a space; placeholders of zeros do not."""
    if space != "rgb":
        return True
    primaries_HWC = np.eye(3, dtype=np.uint16)[None] * np.uint16(65535)
    xyz_33 = _cms(
        primaries_HWC, space, profile, into=imagecodecs.cms_profile("xyz"), flags=0, dtype="float32"
    )[0]
    volume = np.abs(np.linalg.det(xyz_33.astype(np.float64)))
    return bool(np.isfinite(volume) and volume > _LEAST_VOLUME)


def numbers_of_profile(profile: bytes) -> Cicp | None:
    """The `cicp` tag, by which a profile of HDR says so (ICC.1:2022, 9.2.17); None: it has none.

    Nor does one count that is larger than `MOST_PROFILE_BYTES`.
    """
    if len(profile) > MOST_PROFILE_BYTES:
        return None
    num_tags = int.from_bytes(profile[128:132], "big")
    for at in range(132, 132 + 12 * min(num_tags, _MAX_TAGS), 12):
        if profile[at : at + 4] == b"cicp":
            start = int.from_bytes(profile[at + 4 : at + 8], "big")
            data = profile[start : start + 12]  # a type, four bytes of nothing, four numbers
            if len(data) == 12 and data[:4] == b"cicp":
                primaries, transfer, matrix, full = data[8:]
                return Cicp(
                    primaries=primaries,
                    transfer=transfer,
                    matrix=matrix,
                    is_full_range=bool(full),
                )
    return None


def matrix_of_profile(profile: bytes) -> tuple[NDArray[np.float32], str]:
    """The matrix from linear RGB of a profile to linear sRGB, for a column; and the profile's name.

    Raises:
        UnusableProfileError: the profile cannot be read, has no primaries, or is larger than
            `MOST_PROFILE_BYTES`.
    """
    _check_bytes(profile)
    try:
        name, described = _describe(profile)
        is_usable = described == "rgb" and _tells_colours_apart(profile, "rgb")
        space = measured_space(profile) if is_usable else None
    except _UNREADABLE as error:
        raise UnusableProfileError("ICC profile unreadable, taken as sRGB") from error
    if space is None:
        raise UnusableProfileError(f"ICC profile {name!r} has no primaries, ignored")
    return space.to_srgb_33, name


def _check_bytes(profile: bytes) -> None:
    if len(profile) > MOST_PROFILE_BYTES:
        raise UnusableProfileError(
            f"ICC profile of {len(profile) / 2**20:.1f} MiB ignored: more than "
            f"{MOST_PROFILE_BYTES >> 20} MiB"
        )


def as_image(values_HWC: Levels, space: Space) -> Image.Image:
    """8-bit samples as a picture of Pillow's, mode L, RGB, CMYK or LAB."""
    if space == "lab":  # where Pillow meets bytes, a* and b* are signed
        values_HWC = values_HWC ^ np.array([0, 128, 128], np.uint8)
    height, width, _ = values_HWC.shape
    return Image.frombytes(_MODES[space], (width, height), values_HWC.tobytes())


def _convert(values_HWC: Levels, space: Space, profile: bytes) -> NDArray[np.uint8] | None:
    transform = _transform(profile, space)
    if transform is None:
        return None
    if space == "grey":
        levels = np.arange(1 << 8 * values_HWC.dtype.itemsize, dtype=values_HWC.dtype)[
            :, None, None
        ]
        table_L3 = _by_little_cms(levels, space, profile, flags=_EXACT)[:, 0]
        return table_L3.take(values_HWC[..., 0], axis=0, mode="clip")
    is_matrix = space == "rgb" and _is_matrix(profile)
    if values_HWC.dtype == np.uint8:
        # The same pixels either way. imagecodecs spares two copies, and builds its transform anew
        # each time: 4 ms for a matrix, 40 ms for a table, which Pillow lets us keep.
        if is_matrix:
            return _by_little_cms(values_HWC, space, profile, flags=_BLACK_POINT)
        return np.asarray(transform.apply(as_image(values_HWC, space)))
    measured = measured_space(profile) if is_matrix else None
    if measured is not None:
        return to_srgb8_by(measured.to_linear_srgb, values_HWC)
    return _by_little_cms(values_HWC, space, profile, flags=_EXACT)


def _by_little_cms(
    values_HWC: Levels, space: Space, profile: bytes, *, flags: int
) -> NDArray[np.uint8]:
    return _cms(values_HWC, space, profile, into=srgb_profile(), flags=flags, dtype="uint8")


def _cms(
    values_HWC: Levels, space: Space, profile: bytes, *, into: bytes, flags: int, dtype: str
) -> NDArray[Any]:
    converted: NDArray[Any] = imagecodecs.cms_transform(
        np.ascontiguousarray(values_HWC[..., 0] if space == "grey" else values_HWC),
        profile,
        into,
        colorspace=_COLORSPACES[space],
        outcolorspace="xyz" if dtype == "float32" else "rgb",
        outdtype=dtype,
        intent=_RELATIVE_COLORIMETRIC,
        flags=flags,
    )
    return converted


@remembered(8)
def measured_space(profile: bytes) -> RgbSpace | None:
    """The curves and the matrix that an RGB profile amounts to; None where it is more than that.

    Little CMS is exact above 8 bits only at a tenth of the speed of this table. So it is
    asked once what each level of each channel is in XYZ, and a grid of colours then says whether
    the two agree.
    """
    linear_CL, to_xyz_33 = _curves_and_matrix(profile)
    if not np.isfinite(linear_CL).all():
        return None
    _, srgb_to_xyz_33 = _curves_and_matrix(srgb_profile())
    space = RgbSpace(
        linear_CL=linear_CL.astype(np.float32),
        to_srgb_33=np.linalg.solve(srgb_to_xyz_33, to_xyz_33).astype(np.float32),
    )
    probe_HWC = _grid(np.linspace(0, 65535, 18).round().astype(np.uint16))
    wanted = _by_little_cms(probe_HWC, "rgb", profile, flags=_EXACT).astype(np.int16)
    return (
        space if np.abs(to_srgb8_by(space.to_linear_srgb, probe_HWC) - wanted).max() <= 1 else None
    )


def _curves_and_matrix(profile: bytes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear light of 65536 levels of each channel, and XYZ (D50) of each at full, as columns."""
    ramps_CLC = np.zeros((3, 65536, 3), np.uint16)
    for channel in range(3):
        ramps_CLC[channel, :, channel] = np.arange(65536)
    xyz_CLX = _cms(
        ramps_CLC,
        "rgb",
        profile,
        into=imagecodecs.cms_profile("xyz"),
        flags=int(ImageCms.Flags.NOOPTIMIZE),
        dtype="float32",
    ).astype(np.float64)
    full_CX = xyz_CLX[:, -1]
    with np.errstate(invalid="ignore"):  # a channel without light has no curve
        linear_CL = np.einsum("clx,cx->cl", xyz_CLX, full_CX) / (full_CX**2).sum(axis=1)[:, None]
    return linear_CL, full_CX.T


def profile_name(profile: bytes) -> str | None:
    """The name in a profile; None: it is none, or larger than `MOST_PROFILE_BYTES`."""
    if len(profile) > MOST_PROFILE_BYTES:
        return None
    try:
        return _describe(profile)[0]
    except _UNREADABLE:
        return None


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    """The profile opened by Little CMS, which copies the whole of it: hence no cache."""
    return ImageCms.ImageCmsProfile(BytesIO(profile))


@remembered(32)
def _describe(profile: bytes) -> tuple[str, Space | None]:
    opened = _opened(profile)
    name = ImageCms.getProfileDescription(opened).strip()
    return name, _SPACES.get(opened.profile.xcolor_space)


@remembered(32)
def _is_matrix(profile: bytes) -> bool:
    return bool(_opened(profile).profile.is_matrix_shaper)


@remembered(32)  # a catalog uses a handful; building one takes longer than applying it
def _transform(profile: bytes, space: Space) -> ImageCms.ImageCmsTransform | None:
    """The way from `profile` to sRGB; None where it changes no colour by more than one level.

    sRGB comes under many names and in many roundings. Measuring it instead of trusting a name
    keeps the product's pixels exactly as photographed.
    """
    # The shortcut Little CMS takes is two levels off in dark grey. RGB would take ten times as long
    # for what is already within a level.
    transform = ImageCms.ImageCmsTransform(
        _opened(profile),
        ImageCms.ImageCmsProfile(BytesIO(srgb_profile())),
        _MODES[space],
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags(_EXACT if space == "grey" else _BLACK_POINT),
    )
    if space not in ("grey", "rgb"):
        return transform
    probe = _probe(space)
    wanted = np.asarray(probe.convert("RGB"), np.int16)
    got = np.asarray(transform.apply(probe), np.int16)
    return transform if np.abs(got - wanted).max() > 1 else None


def _probe(space: Space) -> Image.Image:
    """Every grey level, or 18 steps of each primary in all combinations, as a picture."""
    if space == "grey":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return Image.fromarray(_grid(np.arange(0, 256, 15, dtype=np.uint8)))


def _grid(steps: Any) -> Any:
    """Every combination of steps of three primaries, HWC."""
    rgb_HWC = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return rgb_HWC.reshape(len(steps), -1, 3)
