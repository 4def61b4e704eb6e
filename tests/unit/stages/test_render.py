"""The render stage around a generator whose pictures can be told apart."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import binary_dilation

from pipeline.errors import ErrorCode, FatalError, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.imaging.writing.encoding import encode_alpha
from pipeline.manifest.shots import Brief, shots
from pipeline.models.generation.generator import Background
from pipeline.stages import render as stage
from pipeline.stages.render import RenderConfig, RenderMapper

STAYS_GROWN, GROWS_ONCE = 1000, 2000
GROWN = {STAYS_GROWN, STAYS_GROWN + 1, STAYS_GROWN + 2, GROWS_ONCE}
"""Seeds for which the painter draws the product larger than it is."""


class Painter:
    """Paints each background in the colour of its seed; remembers the batches it was given."""

    revision = "painter"
    max_batch = 2
    draws_product = True

    def __init__(self, device="cpu"):
        self.device = device
        self.batches = []

    def generate(self, requests):
        self.batches.append([request.seed for request in requests])
        if any(request.prompt == "too large" for request in requests):
            raise MemoryError("does not fit")
        if any(request.prompt == "lost" for request in requests):
            raise FatalError("device lost")
        return [self._paint(request) for request in requests]

    @staticmethod
    def _paint(request):
        ground = np.full(request.image_HWC.shape, (request.seed % 10) / 10, dtype=np.float32)
        if request.seed in GROWN:
            ground[binary_dilation(request.alpha_HW > 0.5, iterations=5)] = (0.9, 0.1, 0.1)
        return Background(rgb_HWC=ground)


def row(seed, *, prompt="a beach", height=120, width=160, color=None, result=1, **asked):
    """A red box on a plain table."""
    photo = np.full((height, width, 3), 128, dtype=np.uint8)
    alpha = np.zeros((height, width), dtype=np.float32)
    inside = (slice(height // 3, -height // 3), slice(width // 3, -width // 3))
    photo[inside], alpha[inside] = (230, 26, 26), 1
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return {
        "image_bytes": file.getvalue(),
        "alpha": encode_alpha(alpha),
        "alpha_colors": None,
        "prompt": prompt,
        "final_prompt": prompt.lstrip("*"),
        "seed": seed,
        "reference_bytes": [],
        "shot": shots(Brief(**asked), color)[result - 1].model_dump(mode="json"),
    }


@pytest.fixture
def mapper(monkeypatch):
    def make(device="cpu", **settings):
        painter = Painter(device)
        monkeypatch.setattr(stage, "build_generator", lambda _: painter)
        config = RenderConfig(thumbnail_px=0, format="png", **settings)
        return RenderMapper(config, limits=ImageLimits(), num_threads=2), painter

    return make


def picture(outcome):
    return np.asarray(Image.open(BytesIO(outcome["picture"])).convert("RGB"))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_rows_of_one_size_share_batches_and_come_back_in_order(mapper, device):
    mapper, painter = mapper(device)
    sizes = [(120, 160), (160, 120), (120, 160), (160, 120), (120, 160)]
    rows = [row(n, height=h, width=w) for n, (h, w) in enumerate(sizes)]
    outcomes = mapper.map_batch(rows)
    assert painter.batches == [[0, 2], [4], [1, 3]]
    for number, (outcome, size) in enumerate(zip(outcomes, sizes, strict=True)):
        assert (outcome["height"], outcome["width"]) == size
        assert abs(int(picture(outcome)[2, 2, 0]) - number * 25.5) <= 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_one_row_that_cannot_be_decoded_costs_only_itself(mapper, device):
    mapper, painter = mapper(device)
    broken = row(1) | {"image_bytes": b"\x89PNG\r\n\x1a\n and no more"}
    first, second, third = mapper.map_batch([row(0), broken, row(2)])
    assert isinstance(second, RowError)
    assert first["width"] == third["width"] == 160
    assert painter.batches == [[0], [2]]


def test_one_row_that_does_not_fit_costs_only_itself(mapper):
    mapper, painter = mapper()
    first, second = mapper.map_batch([row(0, prompt="too large"), row(1)])
    assert isinstance(first, RowError)
    assert first.code is ErrorCode.OUT_OF_MEMORY
    assert second["width"] == 160
    assert painter.batches == [[0, 1], [0], [1]]


def test_a_lost_device_stops_the_run(mapper):
    mapper, _ = mapper()
    with pytest.raises(FatalError, match="device lost"):
        mapper.map_batch([row(0), row(1, prompt="lost")])


def test_a_star_keeps_the_generators_own_product(mapper):
    mapper, _ = mapper()
    pasted, kept = (picture(outcome) for outcome in mapper.map_batch([row(5), row(5, prompt="*b")]))
    assert pasted[60, 80].tolist() == [230, 26, 26]
    assert abs(kept[60, 80].astype(int) - 127).max() <= 2


def test_a_star_needs_a_generator_that_draws_products():
    mapper = RenderMapper(RenderConfig(), limits=ImageLimits(), num_threads=1)
    (refused,) = mapper.map_batch([row(0, prompt="*a beach")])
    assert isinstance(refused, RowError)
    assert refused.code is ErrorCode.BAD_REQUEST
    assert "prompt begins with *" in refused.message


def test_growth_is_not_looked_for_unless_asked(mapper):
    mapper, painter = mapper()
    (outcome,) = mapper.map_batch([row(STAYS_GROWN)])
    assert outcome["metrics"]["growth"] is None
    assert outcome["metrics"]["product_grew"] is None
    assert painter.batches == [[STAYS_GROWN]]


def test_a_grown_product_is_drawn_again_with_the_next_seeds_then_flagged(mapper):
    mapper, painter = mapper(checks={"growth": {"enabled": True, "retries": 2}})
    same, grown = mapper.map_batch([row(0), row(STAYS_GROWN)])
    assert painter.batches == [[0, STAYS_GROWN], [STAYS_GROWN + 1], [STAYS_GROWN + 2]]
    assert same["metrics"]["product_grew"] is False
    assert same["metrics"]["generation_seed"] == 0
    assert grown["metrics"]["product_grew"] is True
    assert grown["metrics"]["growth"] > 0.15


def test_the_first_seed_that_does_not_grow_is_kept(mapper):
    mapper, painter = mapper(checks={"growth": {"enabled": True, "retries": 5}})
    (outcome,) = mapper.map_batch([row(GROWS_ONCE)])
    assert painter.batches == [[GROWS_ONCE], [GROWS_ONCE + 1]]
    assert outcome["metrics"]["generation_seed"] == GROWS_ONCE + 1
    assert outcome["metrics"]["product_grew"] is False


def test_a_grown_product_can_be_an_error(mapper):
    growth = {"enabled": True, "retries": 0, "on_growth": "fail"}
    mapper, _ = mapper(checks={"growth": growth})
    same, grown = mapper.map_batch([row(0), row(STAYS_GROWN)])
    assert same["width"] == 160
    assert grown.code is ErrorCode.PRODUCT_GREW


def test_a_size_the_generator_cannot_draw_is_refused_with_the_recipe():
    generator = {"kind": "sdxl-inpaint", "checkpoint": {"path": "/weights"}}
    with pytest.raises(ValidationError, match=r"render\.size\.rule"):
        RenderConfig(generator=generator)
    with pytest.raises(ValidationError, match="multiples of 8"):
        RenderConfig(generator=generator, size={"rule": "generator", "multiple_px": 4})
    RenderConfig(generator=generator, size={"rule": "generator"})
