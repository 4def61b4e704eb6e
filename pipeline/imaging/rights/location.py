"""Whether a file says where it was taken. Where, is nobody's business: that is never read."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.imaging.rights.carriers import GPS_LATITUDE, GPS_TAG, Carriers
from pipeline.imaging.rights.xmp_reading import tells_place_in_xmp


def tells_place(carriers: Carriers) -> bool:
    """Whether there is a latitude, in EXIF or XMP.

    Many cameras write a directory for it without one, which has a version or the time alone.
    """
    directory = carriers.exif.get(GPS_TAG)
    if isinstance(directory, Mapping) and directory.get(GPS_LATITUDE):
        return True
    return any(map(tells_place_in_xmp, filter(None, (carriers.xmp, carriers.extended_xmp))))
