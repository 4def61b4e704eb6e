"""What stages say that they take of an actor's memory."""

from __future__ import annotations

from jobs.recipes import load_recipe
from pipeline.engine.actor_memory import Need
from pipeline.engine.stage import Resources
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.stages.local_weights import weigh
from pipeline.stages.matte import matte
from pipeline.stages.render import render

LIMITS = ImageLimits(max_megapixels=10)


def drawing(*overrides: str, recipe: str = "bria", num_cpus: float = 2) -> Need:
    config = load_recipe(recipe, overrides=overrides).render
    return render(config, Resources(num_cpus=num_cpus), limits=LIMITS).need


def cutting(*overrides: str) -> Need:
    config = load_recipe("studio", overrides=overrides).matte
    return matte(config, Resources(), limits=LIMITS).need


def test_on_a_gpu_three_batches_are_held_and_each_thread_works_on_a_picture():
    found = drawing("render.generator.max_batch=3")
    assert (found.worked_on, found.waiting) == (2, 7)
    assert drawing("render.generator.max_batch=1", num_cpus=8).worked_on == 3
    on_cpu = drawing("render.generator.max_batch=3", "render.generator.device=cpu")
    assert (on_cpu.worked_on, on_cpu.waiting) == (1, 2)


def test_the_studio_holds_one_picture():
    found = drawing(recipe="studio")
    assert (found.worked_on, found.waiting, found.uncounted) == (1, 0, ())
    assert found.megapixels == 10


def test_slow_and_thorough_settings_cost_memory():
    assert cutting("matte.refine.method=closed_form").working_mb > 10 * cutting().working_mb
    assert cutting("matte.confidence.flip=true").loaded_mb > cutting().loaded_mb


def test_the_process_that_signs_costs_memory_too():
    signing = "render.provenance.sign={certificates: chain.pem, private_key: key.pem}"
    assert drawing(signing).loaded_mb > drawing().loaded_mb


def test_a_network_that_was_not_measured_is_named(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    other = cutting("matte.network.kind=isnet", f"matte.network.weights={tmp_path}/net.onnx")
    assert other.uncounted == ("isnet",)
    assert cutting("matte.network.kind=existing").uncounted == ()


def test_weights_count_at_the_size_of_their_folder_or_are_named(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.safetensors").write_bytes(bytes(3 * 2**20))
    here = f"render.generator.checkpoint.path={tmp_path}"
    assert drawing().uncounted == (
        "BRIA-2.3",
        "BRIA-2.3-ControlNet-BG-Gen",
        "sdxl-vae-fp16-fix",
    )
    found = drawing(here)
    assert found.uncounted == ("BRIA-2.3-ControlNet-BG-Gen", "sdxl-vae-fp16-fix")
    assert found.loaded_mb == drawing().loaded_mb + 3
    assert weigh(load_recipe("studio").render).megabytes == 0
