"""What single rows ask of a sampler: steps, guidance, strength, a style of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import ErrorCode, RowError
from pipeline.models.generation.diffusion.diffusion_config import IpAdapter, Lora
from pipeline.models.generation.generator import Reference, Settings
from pipeline.models.generation.studio.studio import Studio, StudioConfig
from pipeline.models.weights import Checkpoint
from tests.unit.models.diffusion.test_backend import TOLERANCE, distance, worst


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


STRIPES = Reference(digest="stripes", pictures=(picture(1),))
DOTS = Reference(digest="dots", pictures=(picture(2),))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("sdxl-inpaint", {"num_inference_steps": 5}),
        ("sdxl-inpaint", {"guidance_scale": 1.0}),
        ("sdxl-inpaint", {"strength": 0.5}),
        ("bria", {"guidance_scale": 9.0}),
        ("z-image", {"guidance_scale": 4.0}),
    ],
)
def test_a_setting_of_a_row_is_that_setting_of_the_recipe(load, ask, kind, settings):
    plain, asked = ask(seed=1), replace(ask(seed=1), settings=Settings(**settings))
    backend = load(kind)
    first, drawn, last = backend.generate([plain, asked, plain])
    assert distance(drawn, first) > 1e-5
    assert worst([first], [last]) == 0
    assert worst(load(kind, **settings).generate([plain]), [drawn]) <= TOLERANCE


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("sdxl-inpaint", {"fast": True}, "fast: sdxl-inpaint has no such setting"),
        ("bria", {"strength": 0.5}, "strength: bria has no such setting"),
        ("sdxl-inpaint", {"strength": 3.0}, "strength: input should be less than or equal to 1"),
    ],
)
def test_a_setting_that_the_kind_does_not_have_is_the_rows_mistake(
    load, ask, kind, settings, message
):
    with pytest.raises(RowError, match=message) as refused:
        load(kind).generate([replace(ask(), settings=Settings(**settings))])
    assert refused.value.code is ErrorCode.BAD_REQUEST


@pytest.fixture
def styled(load, checkpoints):
    """SDXL inpainting whose rows bring their own reference."""
    adapter = {"checkpoint": Checkpoint(path=checkpoints("ip_adapter"))}
    reference = IpAdapter(**adapter, weight_name="adapter.safetensors", scale=1.0)
    return load("sdxl-inpaint", reference=reference)


def test_each_row_follows_its_own_reference(styled, load, ask):
    requests = [
        replace(ask(seed=1), reference=reference) for reference in (STRIPES, DOTS, STRIPES, None)
    ]
    stripes, dots, again, none = styled.generate(requests)
    assert distance(stripes, dots) > 1e-5
    assert worst([stripes], [again]) <= TOLERANCE
    assert worst(styled.generate(requests[:1]), [stripes]) <= TOLERANCE
    assert worst(load("sdxl-inpaint").generate([ask(seed=1)]), [none]) <= TOLERANCE


def test_a_scale_of_zero_turns_a_reference_off(styled, ask):
    silent = replace(ask(), reference=replace(STRIPES, scale=0.0))
    assert worst(styled.generate([silent]), styled.generate([ask()])) <= TOLERANCE


def test_several_pictures_may_be_one_reference(styled, ask):
    both = Reference(digest="both", pictures=STRIPES.pictures + DOTS.pictures)
    together, alone = styled.generate(
        [replace(ask(), reference=both), replace(ask(), reference=STRIPES)]
    )
    assert distance(together, alone) > 1e-6


def test_flux2_klein_takes_a_rows_reference(load, ask):
    backend = load("flux2-klein")
    stripes, dots = backend.generate(
        [replace(ask(), reference=STRIPES), replace(ask(), reference=DOTS)]
    )
    assert distance(stripes, dots) > 1e-6
    with pytest.raises(RowError, match="one picture"):
        backend.generate([replace(ask(), reference=replace(DOTS, scale=0.5))])


def test_a_reference_without_an_adapter_is_the_rows_mistake(load, ask):
    with pytest.raises(RowError, match="IP-Adapter"):
        load("sdxl-inpaint").generate([replace(ask(), reference=DOTS)])


@pytest.mark.parametrize(
    "asked", [{"settings": Settings(num_inference_steps=4)}, {"reference": DOTS}]
)
def test_the_studio_has_no_sampler(ask, asked):
    with pytest.raises(RowError, match="the studio knows no"):
        Studio(StudioConfig()).generate([replace(ask(), **asked)])


def test_a_reference_goes_with_a_lora_that_has_its_guidance_distilled_in(load, ask, checkpoints):
    adapter = IpAdapter(
        checkpoint=Checkpoint(path=checkpoints("ip_adapter")), weight_name="adapter.safetensors"
    )
    lora = Lora(
        checkpoint=Checkpoint(path=checkpoints("lora")),
        weight_name="pytorch_lora_weights.safetensors",
    )
    backend = load("bria", reference=adapter, fast_lora=lora)
    network, read = backend._pipeline.unet, []
    network.register_forward_pre_hook(
        lambda _module, _inputs, given: read.append(given["added_cond_kwargs"]["image_embeds"][0]),
        with_kwargs=True,
    )
    requests = [replace(ask(), reference=reference) for reference in (STRIPES, DOTS)]
    stripes, dots = backend.generate(requests)
    assert distance(stripes, dots) > 1e-6
    assert {len(embedding) for embedding in read} == {1}
