"""Whose photograph it is: what its file says, and how finished files repeat it.

`carriers` finds EXIF, XMP, IPTC-IIM and PNG's texts in a file, `xmp_reading` and `iptc` read two of
them, `placeholder_texts` leaves out what nobody meant to say, `credits` bounds the rest, and
`taking_over` puts it into EXIF; `pipeline.imaging.writing.provenance_xmp` has the XMP of finished
files. `location` tells whether a file says where it was taken; `manifest_store` finds Content
Credentials, which nobody reads.
"""
