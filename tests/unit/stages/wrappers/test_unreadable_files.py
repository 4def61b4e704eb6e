"""What becomes of files that may not be what the storage holds."""

from __future__ import annotations

import pytest

from pipeline.engine.stage import Resources
from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.models.matting.matting_config import ExistingConfig
from pipeline.stages.fetch import _digest
from pipeline.stages.matte import MatteConfig, matte
from pipeline.stages.wrappers.unreadable_files import doubted, joined, with_file_doubt
from pipeline.storage import Doubt, Fetched
from tests.flow import pictures

UNSAID = Doubt(differs=False, reason="came without a checksum; its SHA-256 is ab")
DIFFERS = Doubt(differs=True, reason="has the MD5 aa, the storage says bb")
GOOD = pictures.with_alpha()
TORN = GOOD[: len(GOOD) // 2]


def fetched(photo: bytes, doubt: Doubt | None = None, mask: Fetched | None = None) -> dict:
    digested = _digest({"photo": Fetched(photo, 0, doubt), "mask": mask, "references": []})
    return {**digested, "clipping_path": None}


@pytest.fixture(scope="module")
def mapper():
    config = MatteConfig(network=ExistingConfig())
    stage = with_file_doubt(matte(config, Resources(), limits=ImageLimits()))
    return stage.mapper(stage.config)


def test_bytes_that_are_the_storages_are_judged_for_good(mapper):
    (outcome,) = mapper.map_batch([fetched(TORN)])
    assert (outcome.code, outcome.retryable) == (ErrorCode.CORRUPT_IMAGE, False)


@pytest.mark.parametrize("damaged", [TORN, b"<!DOCTYPE html><title>Log in</title>", b"\x89PNG"])
def test_damage_in_bytes_that_differ_is_the_storages_fault(mapper, damaged):
    (outcome,) = mapper.map_batch([fetched(damaged, DIFFERS)])
    assert (outcome.code, outcome.retryable) == (ErrorCode.STORAGE, True)
    assert "the image has the MD5 aa, the storage says bb; read as" in outcome.message


def test_damage_in_bytes_of_which_nothing_is_said_is_looked_at_again(mapper):
    (outcome,) = mapper.map_batch([fetched(TORN, UNSAID)])
    assert (outcome.code, outcome.retryable) == (ErrorCode.CORRUPT_IMAGE, True)
    assert "SHA-256 is ab" in outcome.message


def test_a_good_photograph_is_used_and_a_note_says_what_differs(mapper):
    plain, unsaid, differs = mapper.map_batch(
        [fetched(GOOD), fetched(GOOD, UNSAID), fetched(GOOD, DIFFERS)]
    )
    assert plain["decode_notes"] == unsaid["decode_notes"]
    assert differs["decode_notes"][-1] == "the image has the MD5 aa, the storage says bb"
    assert plain["alpha"] == differs["alpha"]


def test_a_mask_in_doubt_casts_it_on_the_row(mapper):
    (outcome,) = mapper.map_batch([fetched(GOOD, mask=Fetched(TORN, 0, DIFFERS))])
    assert (outcome.code, outcome.retryable) == (ErrorCode.STORAGE, True)
    assert outcome.message.startswith("the mask has the MD5 aa")


@pytest.mark.parametrize(
    ("doubt", "code", "retryable"),
    [
        (None, ErrorCode.EMPTY_FILE, False),
        (UNSAID, ErrorCode.EMPTY_FILE, True),
        (DIFFERS, ErrorCode.STORAGE, True),
    ],
)
def test_an_empty_body_is_an_empty_file_if_the_storage_says_so(doubt, code, retryable):
    with pytest.raises(RowError) as raised:
        fetched(b"", doubt)
    assert (raised.value.code, raised.value.retryable) == (code, retryable)


def test_what_is_no_fault_of_a_file_stays_what_it_is():
    unsaid, differs = joined([("image", UNSAID)]), joined([("image", DIFFERS)])
    matted = RowError(ErrorCode.EMPTY_MATTE, "no product")
    assert doubted(matted, unsaid) is matted
    assert doubted(matted, differs).retryable
    for code in (ErrorCode.OUT_OF_MEMORY, ErrorCode.UNEXPECTED):
        error = RowError(code, "ours")
        assert doubted(error, differs) is error
    refused = TransientError(ErrorCode.ACCESS_DENIED, "no")
    assert doubted(refused, differs) is refused


def test_what_differs_says_all_and_else_every_file_is_named():
    assert joined([]) is None
    both = joined([("image", UNSAID), ("mask", DIFFERS)])
    assert both == {"differs": True, "reason": f"the mask {DIFFERS.reason}"}
    unsaid = joined([("image", UNSAID), ("mask", UNSAID)])
    assert unsaid == {
        "differs": False,
        "reason": f"the image {UNSAID.reason}; the mask {UNSAID.reason}",
    }
