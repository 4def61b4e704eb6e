"""A brief: what one manifest row asks of its pictures; and the shots it comes to.

The same fields are a recipe's section `brief`, which gives the defaults, and columns that a
manifest may have, which override them row by row. One row may ask for several shots; each is a
result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isnan
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.errors import ErrorCode, RowError
from pipeline.imaging.compositing.solid_colors import Rgb8, hex_of, parse_color
from pipeline.imaging.placing.layout import Align, Wish
from pipeline.imaging.placing.placements import MAX_SIDE_PX, Placement, parse_placements
from pipeline.manifest.channels import load_channel
from pipeline.text.validation_errors import first_mistake

Shadow = Literal["none", "contact", "soft", "hard", "floating"]
Harmonise = Literal["off", "background", "product", "strict"]
Format = Literal["jpeg", "png", "webp", "avif"]
Paint = Literal["scene", "plain", "recolored"]
"""What stands behind a product: a generated scene; one colour; a generated set in that colour."""

NUM_RECOLORED = 2
"""Results after the plain one that are generated and then recoloured."""


def _joined(value: Any) -> Any:
    """A list of placements as the text that means the same."""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Wishes(BaseModel):
    """What can be asked of a picture. None: as the recipe's other sections have it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    canvas_width: int | None = Field(
        None, ge=16, le=MAX_SIDE_PX, description="Width of the canvas, px."
    )
    canvas_height: int | None = Field(
        None, ge=16, le=MAX_SIDE_PX, description="Height of the canvas, px."
    )
    aspect_ratio: str | None = Field(
        None,
        pattern=r"^[0-9]{1,4}(\.[0-9]{1,4})?:[0-9]{1,4}(\.[0-9]{1,4})?$",
        description="Shape of the canvas as width:height, such as '4:5' or '1.91:1'. With "
        "placement 'original' the frame grows to it and nothing is cut away.",
    )
    margin: float = Field(
        0.0,
        ge=0,
        le=0.45,
        description="Share of the canvas kept free on each side of a product that is placed.",
    )
    align: Align = Field(
        "center", description="Where in its box a product goes that does not fill it."
    )
    keep_cropped_edges: bool = Field(
        default=False,
        description="Let a product that its photograph cuts off stand at the canvas edge there.",
    )
    max_upscale: float = Field(
        2.0, gt=0, le=8, description="A product is enlarged no more than this, and a note says so."
    )
    negative_prompt: str | None = Field(
        None, max_length=2000, description="What the background shall not show."
    )
    fast: bool | None = Field(None, description="Ask for the generator's distilled variant.")
    steps: int | None = Field(None, ge=4, le=50, description="Denoising steps.")
    guidance_scale: float | None = Field(
        None, ge=0, le=30, description="How closely the generator follows the prompt."
    )
    strength: float | None = Field(
        None, gt=0, le=1, description="How much of what is repainted may change, for inpainting."
    )
    reference_uri: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), max_length=4, description="Pictures whose style the background follows."
    )
    reference_scale: float | None = Field(
        None, ge=0, le=1, description="How much the references count."
    )
    enhance_prompt: bool | None = Field(
        None, description="Whether a language model may elaborate the prompt."
    )
    background_color: str | None = Field(
        None, description="A CSS name or '#rrggbb': a plain background instead of a scene."
    )
    shadow: Shadow | None = Field(
        None,
        description="'none'; 'contact': where product and ground meet; 'soft' and 'hard': that and "
        "the outline on the ground; 'floating': a pool below.",
    )
    shadow_direction_deg: float | None = Field(
        None,
        ge=-180,
        le=180,
        description="Direction of its light, degrees: 0 behind the camera, -90 left, 90 right.",
    )
    shadow_length: float | None = Field(
        None, ge=0, le=3, description="Length of a thrown shadow, over the product's height."
    )
    shadow_opacity: float | None = Field(
        None, ge=0, le=1, description="Share of the light missing where it is darkest."
    )
    harmonize: Harmonise | None = Field(
        None,
        description="'background': its light is moved towards neutral; 'product': then the product "
        "follows the rest, by a mean CIEDE2000 of 2 at most; 'strict': of 1; 'off': neither.",
    )
    output_width: int | None = Field(
        None, ge=16, le=MAX_SIDE_PX, description="Width of the file, px; alone it keeps the shape."
    )
    output_height: int | None = Field(
        None, ge=16, le=MAX_SIDE_PX, description="Height of the file, px."
    )
    output_format: Format | None = Field(None, description="Format of the file.")
    channel: str | None = Field(
        None,
        description="Where the picture is sold, such as 'amazon_main': what it asks for holds "
        "where nothing else is said, and the finished file is checked against its rules.",
    )

    @field_validator("channel")
    @classmethod
    def _is_a_channel(cls, value: str | None) -> str | None:
        if value is not None:
            load_channel(value)
        return value

    @field_validator("background_color")
    @classmethod
    def _is_a_color(cls, value: str | None) -> str | None:
        return None if value is None else hex_of(parse_color(value))

    @model_validator(mode="after")
    def _one_canvas(self) -> Wishes:
        sides = (self.canvas_width, self.canvas_height).count(None)
        if sides == 0 and self.aspect_ratio is not None:
            raise ValueError("aspect_ratio: canvas_width and canvas_height give one already")
        if sides == 1 and self.aspect_ratio is None:
            raise ValueError(
                "canvas_width and canvas_height belong together: give both, or one with "
                "aspect_ratio"
            )
        ratio = self.ratio
        if ratio is not None and not Fraction(1, 20) <= ratio <= 20:
            raise ValueError(f"aspect_ratio {self.aspect_ratio}: sides may differ at most 20 times")
        return self

    @property
    def ratio(self) -> Fraction | None:
        """The aspect ratio, width over height."""
        if self.aspect_ratio is None:
            return None
        width, _, height = self.aspect_ratio.partition(":")
        return Fraction(width) / Fraction(height) if Fraction(height) else Fraction(0)

    @property
    def wish(self) -> Wish:
        """What the layout has to know."""
        return Wish(
            canvas_height=self.canvas_height,
            canvas_width=self.canvas_width,
            aspect_ratio=self.ratio,
            margin=self.margin,
            align=self.align,
            keep_cropped_edges=self.keep_cropped_edges,
            max_upscale=self.max_upscale,
        )


class Brief(Wishes):
    """What a manifest row asks for."""

    num_results: int = Field(1, ge=1, le=12, description="Results for each placement.")
    placement: Annotated[str, BeforeValidator(_joined)] = Field(
        "original",
        description="'original'; 'fit' (the whole canvas less the margin); a named place or "
        "several, separated by commas; 'automatic' (all ten); 'padding:left,right,top,bottom'; "
        "'box:x,y,width,height'; px.",
    )
    solid_colors: bool = Field(
        default=True,
        description="Whether a prompt that only names a colour, such as 'a white background', asks "
        "for a plain background of that colour.",
    )
    clipping_path: str | None = Field(
        None,
        max_length=255,
        description="Name of the path in the photograph that cuts the product out, where the file "
        "marks none as its clipping path, or another one.",
    )

    @field_validator("placement")
    @classmethod
    def _is_placed(cls, value: str) -> str:
        return ", ".join(placement.text for placement in parse_placements(value))


class Shot(Wishes):
    """One result that a brief comes to: everything decided."""

    placement: str = Field(description="One placement, in its canonical spelling.")
    result: int = Field(ge=1, description="Which of the results for this placement, from 1.")
    paint: Paint = Field(description="What stands behind the product.")

    @property
    def place(self) -> Placement:
        """The placement, read."""
        return parse_placements(self.placement)[0]

    @property
    def color(self) -> Rgb8:
        """The background's colour. Of a painted one only."""
        assert self.background_color is not None
        return parse_color(self.background_color)

    @property
    def without_effect(self) -> tuple[str, ...]:
        """What is asked for and means nothing for this placement or paint."""
        idle: list[str] = []
        if self.place.kind == "padding":
            asked = self.canvas_width or self.canvas_height or self.aspect_ratio
            idle += ["canvas" for _ in range(bool(asked))]
        if self.place.follows_the_photograph:
            idle += [name for name in ("margin", "keep_cropped_edges") if getattr(self, name)]
        return tuple(f"{name} has no effect with placement {self.placement}" for name in idle)


ColumnKind = Literal["integer", "number", "boolean", "text", "texts"]

COLUMNS: dict[str, ColumnKind] = {
    "num_results": "integer",
    "placement": "texts",
    "canvas_width": "integer",
    "canvas_height": "integer",
    "aspect_ratio": "text",
    "margin": "number",
    "align": "text",
    "keep_cropped_edges": "boolean",
    "max_upscale": "number",
    "negative_prompt": "text",
    "fast": "boolean",
    "steps": "integer",
    "guidance_scale": "number",
    "strength": "number",
    "reference_uri": "texts",
    "reference_scale": "number",
    "enhance_prompt": "boolean",
    "background_color": "text",
    "solid_colors": "boolean",
    "clipping_path": "text",
    "shadow": "text",
    "shadow_direction_deg": "number",
    "shadow_length": "number",
    "shadow_opacity": "number",
    "harmonize": "text",
    "output_width": "integer",
    "output_height": "integer",
    "output_format": "text",
    "channel": "text",
}
"""The manifest columns of a brief, and what kind of values they hold ('texts': one or a list)."""

_CANVAS = frozenset({"canvas_width", "canvas_height", "aspect_ratio"})

TEXT_COLUMNS = tuple(name for name, kind in COLUMNS.items() if kind in ("text", "texts"))


def read_brief(row: Mapping[str, Any], defaults: Brief, *, columns: Sequence[str]) -> Brief:
    """The brief of a manifest row: its own values over the recipe's.

    What a channel asks for comes just below where the channel is named: a row's channel below the
    row's other values and above the recipe's, the recipe's channel below everything.

    Args:
        row: values by column; null and blank text ask for nothing.
        defaults: the recipe's.
        columns: those of the row that belong to the brief.

    Raises:
        RowError: `bad_request`, a value that cannot be used; the message names its column.
    """
    own = {
        name: row[name]
        for name in columns
        if not (_is_blank(row[name]) or _is_gap(name, row[name]))
    }
    said = defaults.model_dump(exclude_unset=True)
    if not own and defaults.channel is None:
        return defaults
    try:
        if "channel" in own:
            asks = _asks(Wishes(channel=own["channel"]).channel, besides=own)
            return Brief.model_validate({**_besides(said, asks), **asks, **own})
        asks = _asks(defaults.channel, besides={**said, **own})
        return Brief.model_validate({**asks, **said, **own})
    except ValidationError as error:
        raise RowError(ErrorCode.BAD_REQUEST, _explained(error)) from None


def _asks(channel: str | None, *, besides: Mapping[str, Any]) -> dict[str, Any]:
    return {} if channel is None else _besides(load_channel(channel).asks, besides)


def _besides(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The values; without their canvas where the others have one, for two cannot be joined."""
    if _CANVAS.isdisjoint(others):
        return dict(values)
    return {name: value for name, value in values.items() if name not in _CANVAS}


def shots(brief: Brief, color: Rgb8 | None) -> list[Shot]:
    """Every result of a brief: all results of the first placement, then of the next.

    Where a colour is asked for, the first result is that colour, plain; two more are generated
    and recoloured, for their shadows and reflections; any others are scenes.

    Args:
        brief: what is asked for.
        color: the background colour asked for, by column or by prompt; None: a scene.
    """
    wishes = brief.model_dump(include=set(Wishes.model_fields))
    wishes["background_color"] = None if color is None else hex_of(color)
    return [
        Shot(
            **wishes,
            placement=placement.text,
            result=result,
            paint="scene" if color is None else _paint(result),
        )
        for placement in parse_placements(brief.placement)
        for result in range(1, brief.num_results + 1)
    ]


def suffix(shot: Shot, siblings: Sequence[Shot]) -> str:
    """What tells a shot's id from those of the same row; empty for an only one.

    >>> two = shots(Brief(num_results=2, placement="fit"), None)
    >>> [suffix(shot, two) for shot in two]
    ['/1', '/2']
    """
    places = len({sibling.placement for sibling in siblings}) > 1
    results = len({sibling.result for sibling in siblings}) > 1
    return (f"/{shot.placement}" if places else "") + (f"/{shot.result}" if results else "")


def _paint(result: int) -> Paint:
    if result == 1:
        return "plain"
    return "recolored" if result <= 1 + NUM_RECOLORED else "scene"


def _is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _is_gap(name: str, value: Any) -> bool:
    """Whether a value is the NaN that some libraries write where a whole number is missing."""
    return COLUMNS[name] == "integer" and isinstance(value, float) and isnan(value)


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, in one line that begins with the column."""
    mistake = first_mistake(error)
    if not mistake.location:
        return mistake.what
    return f"{mistake.location[0]}: {mistake.lowered}, got {repr(mistake.given)[:80]}"
