"""Every column that travels: its name, Arrow type and meaning.

Nothing else defines a column. Between stages travel encoded bytes, never pixel arrays: a decoded
photograph is 20 times its file. Bytes are `large_binary` because a `binary` chunk ends at 2 GiB.
"""

from __future__ import annotations

import pyarrow as pa


def column(name: str, type_: pa.DataType, description: str, *, nullable: bool = True) -> pa.Field:
    """A column whose meaning is kept in the field's metadata, so that files explain themselves."""
    return pa.field(name, type_, nullable=nullable, metadata={"description": description})


# Children of a struct stay nullable: Arrow cannot cast a null struct whose children are not.
ERROR_TYPE = pa.struct(
    [
        ("stage", pa.string()),
        ("code", pa.string()),
        ("message", pa.string()),
        ("retryable", pa.bool_()),
    ]
)
IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""The layout of a Hugging Face `datasets` Image, which must be met to the letter."""
GEOMETRY_TYPE = pa.struct(
    [
        ("source_height", pa.int32()),
        ("source_width", pa.int32()),
        ("normalised_height", pa.int32()),
        ("normalised_width", pa.int32()),
        ("generation_height", pa.int32()),
        ("generation_width", pa.int32()),
        ("margin_top", pa.int32()),
        ("margin_left", pa.int32()),
    ]
)
THUMBS_TYPE = pa.struct([("source", pa.binary()), ("cutout", pa.binary()), ("result", pa.binary())])
SHOT_TYPE = pa.struct(
    [
        ("placement", pa.string()),
        ("result", pa.int32()),
        ("paint", pa.string()),
        ("canvas_width", pa.int32()),
        ("canvas_height", pa.int32()),
        ("aspect_ratio", pa.string()),
        ("margin", pa.float64()),
        ("align", pa.string()),
        ("keep_cropped_edges", pa.bool_()),
        ("max_upscale", pa.float64()),
        ("negative_prompt", pa.string()),
        ("fast", pa.bool_()),
        ("steps", pa.int32()),
        ("guidance_scale", pa.float64()),
        ("strength", pa.float64()),
        ("reference_uri", pa.list_(pa.string())),
        ("reference_scale", pa.float64()),
        ("enhance_prompt", pa.bool_()),
        ("background_color", pa.string()),
        ("shadow", pa.string()),
        ("shadow_direction_deg", pa.float64()),
        ("shadow_length", pa.float64()),
        ("shadow_opacity", pa.float64()),
        ("harmonize", pa.string()),
        ("output_width", pa.int32()),
        ("output_height", pa.int32()),
        ("output_format", pa.string()),
        ("channel", pa.string()),
    ]
)
"""A `brief.Shot`, field for field."""
METRICS_TYPE = pa.struct(
    [
        ("coverage", pa.float32()),
        ("soft_fraction", pa.float32()),
        ("background_scale", pa.float32()),
        ("growth", pa.float32()),
        ("product_grew", pa.bool_()),
        ("unsafe", pa.bool_()),
        ("generation_seed", pa.int64()),
        ("gpu_peak_bytes", pa.int64()),
        ("product_scale", pa.float32()),
        ("product_fill", pa.float32()),
        ("recolor_clipped", pa.float32()),
        ("recolor_kept", pa.float32()),
        ("light_confidence", pa.float32()),
        ("shift_mean", pa.float32()),
        ("shift_p95", pa.float32()),
        ("shift_max", pa.float32()),
        ("shift_luminance", pa.float32()),
    ]
)

FIDELITY_TYPE = pa.struct(
    [
        ("interior_px", pa.int64()),
        ("bit_equal", pa.bool_()),
        ("psnr_db", pa.float32()),
        ("delta_e_mean", pa.float32()),
        ("delta_e_p95", pa.float32()),
        ("delta_e_max", pa.float32()),
        ("halo", pa.float32()),
    ]
)
"""`pipeline.imaging.quality.fidelity.Fidelity`, field for field."""
PROVENANCE_TYPE = pa.struct(
    [("source_type", pa.string()), ("signed", pa.bool_()), ("watermarked", pa.bool_())]
)
VERDICT_TYPE = pa.struct(
    [
        ("channel", pa.string()),
        ("accepted", pa.bool_()),
        ("rules", pa.list_(pa.string())),
        ("findings", pa.list_(pa.string())),
    ]
)

CUTOUT_TYPE = pa.struct(
    [
        ("confidence", pa.float32()),
        ("doubtful", pa.bool_()),
        ("entropy", pa.float32()),
        ("band_width", pa.float32()),
        ("agreement", pa.float32()),
        ("coverage", pa.float32()),
        ("frame_contact", pa.float32()),
    ]
)
"""`pipeline.imaging.cutout.confidence.Cutout` explains each."""

# --- plan: one row per result -----------------------------------------------------------------
SAMPLE_ID = column(
    "sample_id", pa.string(), "identity of the result, unique in a run", nullable=False
)
ID = column("id", pa.string(), "the manifest row's id", nullable=False)
FINGERPRINT = column(
    "fingerprint", pa.string(), "hash of all that decides the pixels of this result", nullable=False
)
IMAGE_URI = column(
    "image_uri",
    pa.string(),
    "where the photograph is, absolute; of a URL with a query it ends in '?withheld=' and a hash: "
    "a query may be a signature",
)
IMAGE_VERSION = column(
    "image_version",
    pa.string(),
    "the photograph's version on its storage when the row was planned; null: nothing was there, "
    "or it was not looked up",
)
IMAGE_INPUT = column("image_input", pa.large_binary(), "the photograph itself, from the manifest")
MASK_URI = column(
    "mask_uri",
    pa.string(),
    "where a mask of the product is, absolute, as image_uri; null: there is none",
)
CLIPPING_PATH = column(
    "clipping_path",
    pa.string(),
    "name of the path in the photograph that the row asked to be cut out along; null: of none",
)
PROMPT = column("prompt", pa.string(), "what the manifest or the recipe asked for")
PROMPT_ORIGIN = column("prompt_origin", pa.string(), "'manifest', 'template' or 'default'")
SEED = column("seed", pa.int64(), "decides every random choice of this result", nullable=False)
REFERENCE_URIS = column(
    "reference_uris",
    pa.list_(pa.string()),
    "where the pictures are whose style the background follows, absolute",
)
ADDRESSES = column(
    "addresses",
    pa.map_(pa.string(), pa.string()),
    "the whole of those addresses of the row that have something withheld; never written down",
)
SHOT = column(
    "shot",
    SHOT_TYPE,
    "what was asked of this picture, by the manifest or the recipe; null where it made no sense",
)
ERROR = column("error", ERROR_TYPE, "why there is no image; null when there is one")
ERROR_CODE = column(
    "error_code",
    pa.string(),
    "the code of `error` by itself: not every reader can tell that a struct is null",
)

# --- fetch ------------------------------------------------------------------------------------
IMAGE_BYTES = column("image_bytes", pa.large_binary(), "the photograph's file, as fetched")
IMAGE_SHA256 = column("image_sha256", pa.string(), "SHA-256 of the photograph's file, hex")
FILE_DOUBT = column(
    "file_doubt",
    pa.struct([("differs", pa.bool_()), ("reason", pa.string())]),
    "why the files may not be what the storage holds; null: they are",
)
REFERENCE_BYTES = column(
    "reference_bytes",
    pa.list_(pa.large_binary()),
    "files of the pictures whose style is followed, as fetched",
)
MASK_BYTES = column("mask_bytes", pa.large_binary(), "the mask's file, as fetched")
FETCH_RETRIES = column(
    "fetch_retries", pa.int32(), "how often storage was asked again for the photograph and mask"
)

# --- matte ------------------------------------------------------------------------------------
ALPHA = column(
    "alpha",
    pa.large_binary(),
    "coverage of the product: 8-bit grey PNG at the upright source's size",
)
ALPHA_SOURCE = column(
    "alpha_source",
    pa.string(),
    "'network', or what was brought: 'mask' (mask_uri), and in the photograph 'clipping_path', "
    "'file' (its alpha channel) or 'saved_selection'",
)
ALPHA_COLORS = column(
    "alpha_colors",
    pa.string(),
    "what the colours of the file's own cut-out are along its soft edge: 'straight', 'mixed' with "
    "an old background, 'over #rrggbb' or both; null: alpha is not the file's",
)
CUTOUT = column(
    "cutout", CUTOUT_TYPE, "how far a network's cut-out can be trusted; null: it was given"
)
MATTING_MODEL = column(
    "matting_model", pa.string(), "revision that cut the product out; null: alpha was given"
)
DECODE_NOTES = column(
    "decode_notes",
    pa.list_(pa.string()),
    "what was converted or out of order when the file was read",
)

# --- prompt -----------------------------------------------------------------------------------
FINAL_PROMPT = column("final_prompt", pa.string(), "what the generator was given")
PROMPT_SOURCE = column("prompt_source", pa.string(), "where final_prompt comes from")
PROMPT_MODEL = column("prompt_model", pa.string(), "language model that wrote it; null: none did")
PROMPT_FALLBACK = column(
    "prompt_fallback",
    pa.string(),
    "why a language model's words were not used; null: they were, or none was asked",
)
PROMPT_NOTES = column("prompt_notes", pa.list_(pa.string()), "what was changed in the prompt")

# --- render -----------------------------------------------------------------------------------
GEOMETRY = column(
    "geometry", GEOMETRY_TYPE, "source, normalised and generation size and margin, px"
)
PICTURE = column(
    "picture", pa.large_binary(), "the finished image, encoded, on its way to be stored"
)
IMAGE = column("image", IMAGE_TYPE, "the finished image: encoded bytes, sRGB, and its file name")
HEIGHT = column("height", pa.int32(), "of the finished image, px")
WIDTH = column("width", pa.int32(), "of the finished image, px")
PROMPT_UNDERSTOOD = column(
    "prompt_understood",
    pa.list_(pa.string()),
    "words that had an effect, where the generator can tell",
)
METRICS = column(
    "metrics",
    METRICS_TYPE,
    "coverage: mean alpha; soft_fraction: share of 0.02 < alpha < 0.98; "
    "background_scale: output px per generated px along a side, above 1 the background is "
    "enlarged; growth: area the generator added to the product, as a fraction of it; product_grew: "
    "whether that is over the recipe's limit; unsafe: what the safety checker says; all null where "
    "not checked; generation_seed: differs from seed where a background was drawn again; "
    "gpu_peak_bytes: of the batch; null on CPU; product_scale: canvas px per photograph px; "
    "product_fill: of the canvas, along the side where it fills more; recolor_clipped: share of "
    "background pixels that left sRGB; recolor_kept: of highlights and reflections; "
    "light_confidence: in the scene's white; shift_*: CIEDE2000 and change of luminance of the "
    "product by harmonisation; null where nothing of the kind was done",
)
SHOT_NOTES = column(
    "shot_notes", pa.list_(pa.string()), "what was asked of this picture and could not be done"
)
FIDELITY = column(
    "fidelity",
    FIDELITY_TYPE,
    "how much of the photographed product the file shows; interior_px: pixels of product alone; "
    "bit_equal: they were the photograph's own before the file was coded, neither resampled nor "
    "harmonised; psnr_db, delta_e_*: of the same in the decoded file, psnr_db null where nothing "
    "differs; halo: share of the old background's light left in the outline, 0 to about 1",
)
VERDICT = column(
    "verdict",
    VERDICT_TYPE,
    "whether the channel that was named would take the file as it is; which of its rules are "
    "broken, and how; null where no channel was named",
)
PROVENANCE = column(
    "provenance",
    PROVENANCE_TYPE,
    "what the file says of itself; source_type: URI of its IPTC digital source type, null if it "
    "states none; signed: it carries Content Credentials; watermarked: a visible mark",
)
GENERATION_MODEL = column("generation_model", pa.string(), "revision that drew the background")
THUMBS = column("thumbs", THUMBS_TYPE, "WebP thumbnails for contact sheets")

# --- store ------------------------------------------------------------------------------------
IMAGE_PATH = column("image_path", pa.string(), "the image object, relative to the run's folder")
STORE_RETRIES = column(
    "store_retries", pa.int32(), "how often storage was asked again to take the image object"
)

# --- written by the runner --------------------------------------------------------------------
RUN_ID = column(
    "run_id",
    # As Arrow reads it out of the folder's name, run_id=..., so that both are one column.
    pa.dictionary(pa.int32(), pa.string()),
    "the run that made this row",
)
RECIPE = column("recipe", pa.string(), "name of the recipe")
CONFIG_HASH = column("config_hash", pa.string(), "hash of the resolved recipe")


STAGES = ("fetch", "matte", "prompt", "render", "store")
"""The stages whose timings every result file has; null where a recipe has no such stage."""


def timings(stage_names: tuple[str, ...]) -> pa.Field:
    """Seconds spent on the row inside each stage's actor; null where the row never got."""
    return column(
        "timings",
        pa.struct([(f"{name}_s", pa.float32()) for name in stage_names]),
        "seconds inside each stage's actor, the row's share of its batch",
    )


RESULT_ORDER = (
    "sample_id", "id", "image", "prompt", "final_prompt", "prompt_source", "prompt_model",
    "prompt_fallback", "prompt_notes", "prompt_understood", "seed", "shot", "shot_notes",
    "verdict", "fidelity", "provenance", "height", "width", "image_path", "metrics",
    "alpha", "alpha_source", "alpha_colors", "cutout", "matting_model", "generation_model",
    "geometry", "decode_notes", "timings", "run_id",
    "recipe", "config_hash", "fingerprint", "image_uri", "image_version", "image_sha256",
    "mask_uri", "clipping_path", "fetch_retries", "store_retries", "thumbs", "error_code",
    "error",
)  # fmt: skip
"""Column order of a result file; the manifest's kept columns come before `error`."""

RUN_URI = column("run_uri", pa.string(), "the folder of that run, which image_path starts from")

RESERVED = frozenset(RESULT_ORDER) | {
    "image_input", "image_bytes", "mask_bytes", "reference_uris", "reference_bytes",
    "prompt_origin", "picture", "run_uri", "addresses",
}  # fmt: skip
"""Names a manifest column that is carried along must not take."""

HUGGING_FACE_METADATA = {b"huggingface": b'{"info": {"features": {"image": {"_type": "Image"}}}}'}
