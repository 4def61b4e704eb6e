"""The safety checker's real class, with thresholds that decide what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file, save_file

from pipeline.errors import ErrorCode, FatalError, RowError
from pipeline.models.generation.safety import SafetyChecker
from pipeline.models.weights import Checkpoint
from pipeline.stages.rendering.release_checks import Checks, ChecksConfig
from tests.unit.models.diffusion import tiny

PICTURE = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def checker(tmp_path):
    """A checkpoint that finds every picture closer to its concepts than `threshold`, or none."""

    def make(threshold):
        folder = tiny.safety_checker(tmp_path / f"checker{threshold}")
        model = StableDiffusionSafetyChecker.from_pretrained(folder)
        model.concept_embeds_weights.data = torch.full((17,), float(threshold))
        model.special_care_embeds_weights.data = torch.full((3,), 2.0)
        model.save_pretrained(folder)
        return Checkpoint(path=folder)

    return make


@pytest.mark.parametrize(("threshold", "unsafe"), [(-2, True), (2, False)])
def test_the_thresholds_of_the_weights_decide(checker, threshold, unsafe):
    before = PICTURE.copy()
    assert SafetyChecker(checker(threshold), device="cpu").is_unsafe(PICTURE) is unsafe
    np.testing.assert_array_equal(PICTURE, before)


def test_an_unsafe_picture_is_an_error_unless_the_recipe_only_flags(checker):
    for on_unsafe in ("fail", "flag"):
        safety = {"checkpoint": checker(-2), "on_unsafe": on_unsafe}
        checks = Checks(ChecksConfig(safety=safety), num_threads=1)
        if on_unsafe == "flag":
            assert checks.is_unsafe(PICTURE) is True
            continue
        with pytest.raises(RowError) as refused:
            checks.is_unsafe(PICTURE)
        assert refused.value.code is ErrorCode.UNSAFE_IMAGE


def test_incomplete_weights_stop_the_run(checker):
    checkpoint = checker(2)
    file = checkpoint.path / "model.safetensors"
    tensors = load_file(file)
    del tensors["concept_embeds"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(FatalError, match="concept_embeds"):
        SafetyChecker(checkpoint, device="cpu")


def test_a_folder_without_a_checker_stops_the_run(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FatalError, match="safety checker"):
        SafetyChecker(Checkpoint(path=tmp_path), device="cpu")
