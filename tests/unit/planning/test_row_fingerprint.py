from __future__ import annotations

from typing import Any

import pytest

from pipeline.manifest.shots import Brief, shots
from pipeline.planning.row_fingerprint import fingerprint

BASE = {
    "sample_id": "shoe",
    "image_uri": "/a.jpg",
    "image_version": "v1",
    "image_input": None,
    "mask_uri": None,
    "clipping_path": None,
    "reference_uris": [],
    "reference_versions": [],
    "mask_version": None,
    "prompt": "sand",
    "seed": 1,
    "shot": shots(Brief(), None)[0].model_dump(mode="json"),
}


@pytest.mark.parametrize(
    "change",
    [
        {"image_uri": "/b.jpg"},
        {"image_uri": None},
        {"image_version": "v2"},
        {"image_version": None},
        {"image_input": b"jpeg"},
        {"image_input": b""},
        {"mask_uri": "/a.png"},
        {"clipping_path": "Path 1"},
        {"reference_uris": ["/a.png"], "reference_versions": ["v1"]},
        {"prompt": "oak"},
        {"prompt": None},
        {"prompt": ""},
        {"seed": 2},
        {"sample_id": "hat"},
        {"shot": None},
        {"shot": shots(Brief(placement="fit"), None)[0].model_dump(mode="json")},
        {"shot": shots(Brief(), (0, 0, 0))[0].model_dump(mode="json")},
        {"shot": shots(Brief(steps=4), None)[0].model_dump(mode="json")},
    ],
)
def test_the_fingerprint_follows_whose_result_it_is_and_what_decides_its_pixels(
    change: dict[str, Any],
) -> None:
    assert fingerprint({**BASE, **change}, "p") != fingerprint(BASE, "p")


def test_the_fingerprint_follows_the_version_of_the_mask() -> None:
    masked = {**BASE, "mask_uri": "/a.png", "mask_version": "v1"}
    assert fingerprint(masked, "p") != fingerprint({**masked, "mask_version": "v2"}, "p")


def test_the_fingerprint_follows_the_recipes_pixels() -> None:
    assert fingerprint(BASE, "p") != fingerprint(BASE, "q")


@pytest.mark.parametrize("change", [{"id": "o"}, {"title": "x"}, {"prompt_origin": "default"}])
def test_the_fingerprint_ignores_everything_else(change: dict[str, Any]) -> None:
    assert fingerprint({**BASE, **change}, "p") == fingerprint(BASE, "p")


def test_neighbouring_values_of_a_fingerprint_do_not_run_together() -> None:
    one = {**BASE, "image_uri": "ab", "prompt": "c"}
    other = {**BASE, "image_uri": "a", "prompt": "bc"}
    assert fingerprint(one, "p") != fingerprint(other, "p")
