"""Every kind, from a directory of real files to backgrounds."""

import numpy as np
import pytest
import torch

from pipeline.errors import FatalError
from pipeline.imaging.compositing.composite import over
from pipeline.models.generation.diffusion.diffusion_config import IpAdapter, Lora
from pipeline.models.weights import Checkpoint
from tests.unit.models.diffusion.conftest import KINDS

# What float32 kernels may differ by between batch sizes on a CPU, in units of full scale: a matrix
# product sums in another order. An eightieth of one 8-bit level; 5e-6 was the most ever seen.
TOLERANCE = 5e-5

every_kind = pytest.mark.parametrize("kind", KINDS)


def distance(one, two):
    return float(np.abs(one.rgb_HWC - two.rgb_HWC).mean())


def worst(ones, twos):
    return max(
        float(np.abs(one.rgb_HWC - two.rgb_HWC).max()) for one, two in zip(ones, twos, strict=True)
    )


@every_kind
def test_a_row_is_drawn_the_same_in_every_batch_and_order(load, ask, kind):
    requests = [
        ask("a beach", seed=1),
        ask("a forest at dusk", seed=2, negative_prompt="people"),
        ask("a beach", seed=3, width=128),
        ask("grey concrete", seed=4, radius=12),
        ask("a beach", seed=2**63 - 1),
    ]
    backend = load(kind)
    drawn = backend.generate(requests)
    for background, request in zip(drawn, requests, strict=True):
        assert background.rgb_HWC.shape == (*request.alpha_HW.shape, 3)
        assert background.rgb_HWC.dtype == np.float32
        assert background.rgb_HWC.min() >= 0
        assert background.rgb_HWC.max() <= 1
    for size in (1, 2):
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        parts = [background for batch in batches for background in backend.generate(batch)]
        assert worst(parts, drawn) <= TOLERANCE
    assert worst(backend.generate(requests[::-1])[::-1], drawn) <= TOLERANCE
    assert worst(load(kind).generate(requests), drawn) == 0


@every_kind
def test_seed_and_prompt_decide_the_background_and_the_product_stays(load, ask, kind):
    request = ask("a beach", seed=1)
    backend = load(kind)
    first, reseeded, reworded = backend.generate(
        [request, ask("a beach", seed=2), ask("a dark forest of firs", seed=1)]
    )
    assert distance(first, reseeded) > 0.01
    assert distance(first, reworded) > 1e-5  # random text encoders hardly tell words apart
    image_HWC = request.image_HWC.astype(np.float32) / np.float32(255)
    composite_HWC = over(image_HWC, request.alpha_HW, first.rgb_HWC)
    product = request.alpha_HW == 1
    assert (composite_HWC[product] == image_HWC[product]).all()
    assert (composite_HWC[~product] == first.rgb_HWC[~product]).all()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bria"])
def test_the_pipeline_repaints_the_background_and_is_shown_the_product(load, ask, kind):
    backend = load(kind)
    pipeline = backend._pipeline
    cls = type(pipeline)
    stock, seen = cls.prepare_mask_latents, []

    def spy(self, mask, *args, **kwargs):
        seen.append(mask)
        return stock(self, mask, *args, **kwargs)

    requests = [ask(radius=20), ask(radius=10)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, "prepare_mask_latents", spy)
        backend.generate(requests)
    (mask_N1HW,) = seen
    for mask_1HW, request in zip(mask_N1HW, requests, strict=True):
        assert (mask_1HW[0].numpy() == 1 - request.alpha_HW).all()


@pytest.mark.parametrize("kind", ["sdxl-controlnet-inpaint", "flux2-klein", "z-image"])
def test_where_latents_are_blended_a_new_seed_leaves_the_product_alone(load, ask, kind):
    # These put the photograph's latents back outside the mask, so the polarity shows in pixels.
    backend = load(kind)
    request = ask(seed=1, width=128, height=128, radius=45)
    one, two = backend.generate([request, ask(seed=2, width=128, height=128, radius=45)])
    y, x = np.mgrid[:128, :128]
    centre = np.hypot(y - 64, x - 64) < 20  # far from the outline: a decoder's field is wide
    changed = np.abs(one.rgb_HWC - two.rgb_HWC).mean(axis=-1)
    assert changed[request.alpha_HW == 0].mean() > 2 * changed[centre].mean()


def test_a_batch_that_does_not_fit_is_halved_and_the_size_remembered(load, ask):
    backend = load("sdxl-inpaint", max_batch=4)
    requests = [ask(seed=seed) for seed in range(5)]
    expected = backend.generate(requests)
    rows = []

    def full(_module, inputs):
        rows.append(len(inputs[0]) // 2)  # guided: every row is there twice
        if rows[-1] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = backend._pipeline.unet.register_forward_pre_hook(full)
    drawn = backend.generate(requests)
    assert worst(drawn, expected) <= TOLERANCE
    steps = 2  # a strength just below 1 leaves out one step of three
    assert rows == [4, 2] + [1] * 5 * steps
    rows.clear()
    backend.generate(requests)
    assert rows == [1] * 5 * steps
    handle.remove()
    # Another size is another question.
    backend.generate([ask(width=128), ask(width=128)])
    assert backend._fitting.limit((64, 128)) == 4


def test_a_row_that_does_not_fit_alone_is_out_of_memory_and_the_backend_lives_on(load, ask):
    backend = load("sdxl-inpaint", max_batch=2)

    def full(_module, _inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    handle = backend._pipeline.unet.register_forward_pre_hook(full)
    with pytest.raises(MemoryError, match=r"\(64, 64\)"):
        backend.generate([ask(), ask()])
    handle.remove()
    assert len(backend.generate([ask(), ask()])) == 2


def test_each_distinct_prompt_is_encoded_once(load, ask):
    backend = load("sdxl-inpaint")
    calls = []
    backend._pipeline.text_encoder.register_forward_pre_hook(
        lambda _module, inputs: calls.append(len(inputs[0]))
    )
    backend.generate([ask("a beach", seed=seed) for seed in range(6)])
    assert calls == [1]  # no negative prompt: its embedding is zeros, not text
    backend.generate([ask("a beach"), ask("a forest"), ask("a beach", negative_prompt="people")])
    assert calls == [1, 1, 1, 1]  # the forest, the beach again and what it should not show


def test_a_memory_smaller_than_the_batch_only_costs_time(load, ask):
    requests = [ask(prompt, seed=1) for prompt in ("a", "b", "c", "a")]
    one_slot = load("sdxl-inpaint", prompt_cache=1)
    assert worst(one_slot.generate(requests), load("sdxl-inpaint").generate(requests)) == 0
    assert worst(one_slot.generate(requests), load("sdxl-inpaint").generate(requests)) == 0


@pytest.mark.parametrize("kind", ["sdxl-inpaint", "flux-fill", "z-image"])
def test_offloaded_text_encoders_draw_the_same_and_stay_away(load, ask, kind):
    requests = [ask("a beach"), ask("a forest")]
    backend = load(kind, offload_text_encoder=True)
    assert worst(backend.generate(requests), load(kind).generate(requests)) == 0
    assert backend._pipeline.text_encoder is None


def test_a_compiled_denoiser_sees_one_batch_size_only(load, ask, monkeypatch):
    # The compiler itself takes minutes; what is tested is that one graph serves every batch.
    compiled = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **_: compiled.append(type(module).__name__)
    )
    backend = load("bria", compile=True, max_batch=2)
    assert compiled == ["UNet2DConditionModel", "ControlNetModel"]
    rows = []
    backend._pipeline.unet.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    requests = [ask(seed=seed) for seed in range(3)]
    drawn = backend.generate(requests)
    assert set(rows) == {4}  # guided: two rows, each twice
    assert worst(drawn, load("bria", max_batch=2).generate(requests)) <= TOLERANCE


def test_sliced_decoding_draws_the_same(load, ask):
    requests = [ask(seed=1), ask(seed=2)]
    sliced = load("sdxl-inpaint", vae_slicing=True).generate(requests)
    assert worst(sliced, load("sdxl-inpaint").generate(requests)) <= TOLERANCE


def test_bfloat16_draws_nearly_the_same(load, ask):
    exact = load("bria").generate([ask()])
    assert distance(load("bria", dtype="bfloat16").generate([ask()])[0], exact[0]) < 0.03


def test_a_lora_changes_the_picture_by_its_scale(load, ask, checkpoints):
    def with_lora(scale):
        lora = Lora(
            checkpoint=Checkpoint(path=checkpoints("lora")),
            weight_name="pytorch_lora_weights.safetensors",
            scale=scale,
        )
        return load("bria", loras=(lora,)).generate([ask()])[0]

    plain = load("bria").generate([ask()])[0]
    assert distance(with_lora(1.0), plain) > 10 * distance(with_lora(0.05), plain) > 0
    assert distance(with_lora(0.0), plain) < TOLERANCE


@pytest.mark.parametrize("kind", ["sdxl-inpaint", "sdxl-controlnet-inpaint", "bria"])
def test_a_reference_picture_changes_the_background_through_its_ip_adapter(
    load, ask, checkpoints, style, kind
):
    def with_style(scale):
        reference = IpAdapter(
            picture=style,
            checkpoint=Checkpoint(path=checkpoints("ip_adapter")),
            weight_name="adapter.safetensors",
            scale=scale,
        )
        return load(kind, reference=reference)

    requests = [ask(seed=1), ask(seed=2)]
    plain = load(kind).generate(requests)
    styled = with_style(1.0)
    drawn = styled.generate(requests)
    assert distance(drawn[0], plain[0]) > 1e-4
    assert worst([styled.generate([request])[0] for request in requests], drawn) <= TOLERANCE
    assert worst(with_style(0.0).generate(requests), plain) <= TOLERANCE


def test_flux2_klein_follows_a_reference_picture(load, ask, style):
    plain = load("flux2-klein").generate([ask()])[0]
    backend = load("flux2-klein", reference=style)
    drawn = backend.generate([ask(), ask(seed=9)])
    assert distance(drawn[0], plain) > 1e-6
    assert worst(backend.generate([ask()]), drawn[:1]) <= TOLERANCE


def test_photo_background_shows_its_controlnet_all_nine_channels(load, ask):
    backend = load("photo-background")
    request = ask()
    seen = {}

    def spy(_module, inputs, kwargs):
        seen["controlnet"], seen["control"] = inputs[0], kwargs["controlnet_cond"]

    network = backend._pipeline.controlnet
    network.conv_in.register_forward_pre_hook(
        lambda _module, inputs: seen.__setitem__("read", inputs[0])
    )
    network.register_forward_pre_hook(spy, with_kwargs=True)
    backend._pipeline.unet.register_forward_pre_hook(
        lambda _module, inputs: seen.__setitem__("unet", inputs[0])
    )
    backend.generate([request])
    assert seen["read"].shape[1] == 9
    assert (seen["read"] == seen["unet"]).all()
    assert (seen["control"][0, 0].numpy() == 1 - request.alpha_HW).all()


@every_kind
def test_the_revision_names_kind_weights_and_library(load, kind):
    kind_of, *_, weights, library = load(kind).revision.split("/")
    assert kind_of.startswith(kind)
    assert len(weights) == 12
    assert library.startswith("diffusers-")


def test_settings_that_change_pixels_change_the_revision(configure):
    plain = configure("bria").revision
    assert configure("bria", num_inference_steps=9).revision != plain
    assert configure("bria", max_batch=1, prompt_cache=3).revision == plain


def test_where_the_weights_lie_does_not_change_the_revision(configure, tmp_path):
    here, there = (Checkpoint(path=tmp_path / place / "model") for place in ("here", "there"))
    one = configure("bria", checkpoint=here, controlnet=there)
    two = configure("bria", checkpoint=there, controlnet=here)
    assert one.revision == two.revision
    other = Checkpoint(path=tmp_path / "other")
    assert configure("bria", checkpoint=here, controlnet=other).revision != one.revision


def test_a_size_the_pipeline_cannot_draw_stops_the_run(load, ask):
    with pytest.raises(FatalError, match=r"64 x 60.*multiple_px"):
        load("sdxl-inpaint").generate([ask(width=60)])


def test_overflow_is_an_error_and_not_a_black_picture(load, ask):
    backend = load("sdxl-inpaint")
    torch.nn.init.constant_(backend._pipeline.vae.decoder.conv_out.bias, float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        backend.generate([ask()])


def test_nothing_asked_nothing_drawn(load):
    assert load("sdxl-inpaint").generate([]) == []
