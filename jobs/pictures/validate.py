"""Would a channel take these files? Whoever made them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from jobs.pictures.named_files import PUBLISHED, pictures, reader
from pipeline.errors import RowError
from pipeline.imaging.quality.finished_file import inspect
from pipeline.manifest.channels import load_channel
from pipeline.manifest.channels.verdict import Finding, findings
from pipeline.stages.fetch import FetchConfig
from pipeline.text.printable import visible


@dataclass(frozen=True, slots=True)
class Validated:
    """One file, and what speaks against it."""

    uri: str
    findings: tuple[Finding, ...]
    error: str | None = None
    """Why it could not even be looked at."""

    @property
    def is_accepted(self) -> bool:
        """Whether the channel would take it."""
        return self.error is None and not self.findings


def validate(images: str, channel: str) -> Iterator[Validated]:
    """Hold every picture against a channel's rules, one after another.

    Regular files are read, up to `fetch.max_bytes` of a recipe that does not say otherwise.

    Args:
        images: a file, a folder with all below it, or a pattern; local or `s3://`.
        channel: the name of one.

    Raises:
        ValueError: no such channel, or no pictures there.
    """
    rules = load_channel(channel)
    found = pictures(images, argument="IMAGES", suffixes=PUBLISHED)
    reading = reader(found, FetchConfig())
    for uri in found:
        (fetched,) = reading.read_many([uri])
        try:
            if isinstance(fetched, RowError):
                raise fetched
            yield Validated(uri, tuple(findings(inspect(fetched.data), rules)))
        except RowError as error:
            yield Validated(uri, (), error=str(error))


def told(one: Validated) -> str:
    """A file's verdict in a line, whatever the file is called."""
    if one.error is not None:
        return visible(f"unreadable  {one.uri}  {one.error}")
    if one.is_accepted:
        return visible(f"accepted    {one.uri}")
    said = "; ".join(f"{finding.rule}: {finding.message}" for finding in one.findings)
    return visible(f"refused     {one.uri}  {said}")


def told_as_json(one: Validated) -> str:
    """A file's verdict as a line of JSON."""
    return json.dumps({**asdict(one), "accepted": one.is_accepted})
