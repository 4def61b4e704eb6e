"""What a finished file says of itself, for the way it was made."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.imaging.rights.credits import ExifPolicy
from pipeline.imaging.writing.provenance_xmp import Provenance, SourceType
from pipeline.imaging.writing.watermark import WatermarkConfig
from pipeline.manifest.channels import load_channel
from pipeline.stages.rendering.content_credentials import SigningConfig
from pipeline.stages.rendering.preparation import Task


class ProvenanceConfig(BaseModel):
    """What finished files say of themselves, and of the photograph they were made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    xmp: bool = Field(
        default=True,
        description="State in XMP how the picture was made: IPTC's digital source type and, where "
        "a trained model drew, the AI fields.",
    )
    generated: Literal["compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia"] = Field(
        "compositeWithTrainedAlgorithmicMedia",
        description="The source type of a photographed product before what a trained model drew. "
        "A channel may ask for another.",
    )
    prompt: bool = Field(
        default=True, description="Whether the AI fields tell the prompt, to whoever has the file."
    )
    prompt_writer: str | None = Field(
        None, max_length=200, description="Who is named as the prompt's writer. Null: nobody."
    )
    exif: ExifPolicy = Field(
        "credits",
        description="What is taken over from the photograph, into EXIF and XMP: 'none'; 'credits' "
        "(author, rights, description); 'capture' (also camera and date). Never its place, turn or "
        "thumbnail.",
    )
    resolution: Literal["keep", "none"] | Annotated[float, Field(ge=10, le=65535)] = Field(
        "keep",
        description="Pixels an inch that the file states: 'keep', the photograph's, if it has any; "
        "'none'; or a number. It changes no pixel.",
    )
    icc: bool = Field(
        default=True, description="Embed the sRGB profile, 0.6 kB; sRGB it is either way."
    )
    watermark: WatermarkConfig = Field(WatermarkConfig(), description="A visible mark.")
    sign: SigningConfig | None = Field(
        None,
        description="Sign files as Content Credentials (C2PA), with the photograph as the parent, "
        "by its hash; needs the extra 'credentials'. Null: not. A signature is not the same twice.",
    )


def provenance(
    task: Task, config: ProvenanceConfig, *, system: str | None, revision: str
) -> Provenance:
    """What is to be said of a picture.

    Args:
        task: the row.
        config: of the recipe.
        system: what the trained model is called that drew; None: whatever drew was not trained.
        revision: which version of it.
    """
    if task.shot.paint == "plain":  # cut out and laid on a colour: nothing was generated
        return Provenance(source_type="algorithmicallyEnhanced")
    if system is None:
        return Provenance(source_type="compositeSynthetic")
    return Provenance(
        source_type=_generated(task, config),
        ai_system=system,
        ai_system_version=revision,
        ai_prompt=task.request.prompt if config.prompt else None,
        ai_prompt_writer=config.prompt_writer,
    )


def _generated(task: Task, config: ProvenanceConfig) -> SourceType:
    if task.keeps_rendering:  # even the product is a rendering
        return "trainedAlgorithmicMedia"
    channel = task.shot.channel
    asked = None if channel is None else load_channel(channel).generated_source_type
    return asked or config.generated
