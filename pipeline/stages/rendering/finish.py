"""Finishing: pixels become the finished file, and what is attested of it is written."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import Columns
from pipeline.imaging.containers.identify import media_type
from pipeline.imaging.pixels.resample import resize
from pipeline.imaging.placing.canvas import Placed, fill
from pipeline.imaging.quality.fidelity import Fidelity, certify
from pipeline.imaging.quality.finished_file import Inspected, inspect
from pipeline.imaging.rights.manifest_store import manifest_store
from pipeline.imaging.rights.taking_over import exif_block, taken_over
from pipeline.imaging.writing.encoding import OutputFormat, encode
from pipeline.imaging.writing.provenance_xmp import Provenance, xmp_packet
from pipeline.imaging.writing.watermark import mark
from pipeline.manifest.channels import load_channel
from pipeline.manifest.channels.verdict import findings
from pipeline.stages.rendering.content_credentials import Credentials, Parent
from pipeline.stages.rendering.preparation import Task
from pipeline.stages.rendering.provenance import ProvenanceConfig, provenance

# Shape suffixes: H height, W width, C colour channel.


_NOT_CARRIED_ON = (
    "the photograph has Content Credentials of its own: the file names them by their hash, and "
    "does not carry them on"
)


class Finisher:
    """Writes files. Built once per actor; may be called from several threads."""

    def __init__(
        self,
        config: ProvenanceConfig,
        *,
        format: OutputFormat,  # noqa: A002 - the word everyone uses
        quality: int,
        system: str | None,
        revision: str,
    ) -> None:
        """Read what files are signed with.

        Args:
            config: what files say of themselves.
            format: where the shot does not say.
            quality: of JPEG, WebP and AVIF.
            system: what the trained model is called that draws; None: none does.
            revision: which version of the generator.

        Raises:
            FatalError: files are to be signed, and it cannot be done.
        """
        self._config = config
        self._format = format
        self._quality = quality
        self._system = system
        self._revision = revision
        self._credentials = None if config.sign is None else Credentials(config.sign)

    def finish(self, task: Task, rgb8_HWC: NDArray[np.uint8]) -> Columns:
        """The file of a finished picture, and the columns that describe it.

        The order matters: mark, code, label, sign; a signature holds for what was there before.

        Args:
            task: the row it was made for.
            rgb8_HWC: sRGB, at the size of the file.

        Raises:
            RowError: it is too large for its format, or could not be signed.
        """
        rgb8_HWC = mark(rgb8_HWC, self._config.watermark)
        parent = None if self._credentials is None else _parent(task)
        said = provenance(task, self._config, system=self._system, revision=self._revision)
        file = self._encoded(task, rgb8_HWC, said)
        if self._credentials is not None and parent is not None:
            file = self._credentials.sign(
                file,
                media_type=self._format_of(task).media_type,
                title="product picture",
                parent=parent,
                source_uri=said.source_uri,
            )
        seen = inspect(file)
        return {
            "picture": file,
            "height": seen.height,
            "width": seen.width,
            "fidelity": asdict(_fidelity(task.placed, rgb8_HWC, seen)),
            "verdict": _verdict(seen, task),
            "provenance": {
                "source_type": seen.source_uri,
                "signed": parent is not None,
                "watermarked": bool(self._config.watermark.text),
            },
            "shot_notes": [_NOT_CARRIED_ON] if parent and parent.store_sha256 else [],
        }

    def _encoded(self, task: Task, rgb8_HWC: NDArray[np.uint8], said: Provenance) -> bytes:
        config = self._config
        format_ = self._format_of(task)
        taken = taken_over(task.file, config.exif)
        dpi = _resolution(task, config)
        return encode(
            rgb8_HWC,
            format=format_,
            quality=self._quality,
            icc=config.icc,
            exif=exif_block(taken, dpi=None if format_.has_resolution else dpi),
            xmp=xmp_packet(said if config.xmp else None, taken.credits)
            if config.xmp or taken.credits
            else b"",
            dpi=dpi,
        )

    def _format_of(self, task: Task) -> OutputFormat:
        return OutputFormat(task.shot.output_format or self._format)


def _parent(task: Task) -> Parent:
    """What is said of the photograph in Content Credentials."""
    return Parent.of(task.file, media_type(task.photo.format), store=manifest_store(task.file))


def _resolution(task: Task, config: ProvenanceConfig) -> tuple[float, float] | None:
    if isinstance(config.resolution, float):
        return config.resolution, config.resolution
    return task.photo.resolution_dpi if config.resolution == "keep" else None


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
