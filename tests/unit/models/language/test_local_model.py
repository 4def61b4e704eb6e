from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline.errors import FatalError
from pipeline.models.language.language_config import TransformersConfig
from pipeline.models.language.local_model import LocalLanguageModel
from pipeline.models.weights import Checkpoint
from pipeline.prompts.question import Fallback, Question, Reason, parse
from tests.unit.models.language import tiny


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.language_checkpoint(tmp_path_factory.mktemp("speaker"))


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.picture_checkpoint(tmp_path_factory.mktemp("viewer"))


def model(folder: Path, **options: object) -> LocalLanguageModel:
    settings = {
        "checkpoint": Checkpoint(path=folder),
        "device": "cpu",
        "dtype": "float32",
        "max_new_tokens": 16,
        **options,
    }
    return LocalLanguageModel(TransformersConfig.model_validate(settings))


def picture(color: str) -> bytes:
    out = BytesIO()
    Image.new("RGB", (48, 64), color).save(out, "JPEG")
    return out.getvalue()


def test_a_model_answers_every_question_alike_in_any_batch(speaker: Path) -> None:
    questions = [
        Question(scene="oak"),
        Question(scene="a long marble counter"),
        Question(scene="x"),
    ]
    together = model(speaker, max_batch=2).ask(questions)
    alone = [answer for question in questions for answer in model(speaker).ask([question])]
    assert together == alone
    assert all(isinstance(answer, str) for answer in together)


def test_random_weights_write_nothing_that_is_believed(speaker: Path) -> None:
    (answer,) = model(speaker).ask([Question(scene="oak")])
    assert isinstance(answer, str)
    read = parse(answer)
    assert isinstance(read, Fallback)
    assert read.reason == Reason.MALFORMED


def test_a_model_that_looks_is_shown_the_picture(viewer: Path) -> None:
    seeing = model(viewer, looks=True)
    red, blue = (Question(scene="oak", picture=picture(color)) for color in ("red", "blue"))
    both = seeing.ask([red, blue])
    assert len(both) == 2
    (inputs,) = [seeing._inputs([red, blue])]
    assert inputs["pixel_values"].shape == (2, 3, 32, 32)
    assert not torch.equal(inputs["pixel_values"][0], inputs["pixel_values"][1])
    assert seeing.ask([red]) == both[:1]


def test_an_answer_that_takes_too_long_is_given_up(speaker: Path) -> None:
    (answer,) = model(speaker, timeout_s=0.01, max_new_tokens=4000).ask([Question(scene="oak")])
    assert answer == Fallback(Reason.TIMEOUT)


def test_the_revision_names_the_weights(speaker: Path, viewer: Path) -> None:
    assert model(speaker).revision == model(speaker).revision
    assert model(speaker).revision != model(viewer, looks=True).revision


def test_what_is_no_language_model_stops_the_run(tmp_path: Path, speaker: Path) -> None:
    with pytest.raises(FatalError, match="expected an image-text model"):
        model(speaker, looks=True)
    torn = tmp_path / "torn"
    shutil.copytree(speaker, torn)
    weights = torn / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FatalError, match="torn"):
        model(torn)
    with pytest.raises(FatalError, match="system role"):
        model(tiny.language_checkpoint(tmp_path / "mute", chat=tiny.NO_SYSTEM_CHAT))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_stops_the_run(speaker: Path) -> None:
    with pytest.raises(FatalError, match="expected a GPU"):
        model(speaker, device="cuda")
