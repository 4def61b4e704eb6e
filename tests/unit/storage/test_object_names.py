from __future__ import annotations

import re
import unicodedata
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import storage
from pipeline.storage.object_names import object_path, readable_name

# What Arrow can hold: text without lone surrogates.
IDS = st.text(st.characters(exclude_categories=["Cs"]))
SCRIPTS = st.text(
    st.sampled_from(
        "aZ0-_ /é夕焼け赤陶器чашкаגביעكوبمی\u200c\u200dক\u09cdষকাপถ้วยनम\u094dस्ते한글각"
        "\u1100\u1161\u11a8\u0301\u0327\ufe0f\U000e0101👩🚲\u200b\u202e\u2066"
    ),
    max_size=200,
)


@pytest.mark.parametrize(
    ("sample_id", "name"),
    [
        ("茶碗-赤", "茶碗-赤"),
        ("夕焼け ティーカップ", "夕焼け-ティーカップ"),
        ("찻잔/빨강", "찻잔-빨강"),
        ("чашка красная", "чашка-красная"),
        ("فنجان ۴۲", "فنجان-۴۲"),
        ("گلدان\u200cهای آبی", "گلدان\u200cهای-آبی"),
        ("כוס", "כוס"),
        ("चाय का प्याला", "चाय-का-प्याला"),
        ("শ্রী র\u200d্যাক", "শ্রী-র\u200d্যাক"),
        ("ශ්\u200dරී ලංකා", "ශ්\u200dරී-ලංකා"),
        ("ถ้วยน้ำชา", "ถ้วยน้ำชา"),
        ("κούπα", "κούπα"),
        ("ቡና ስኒ", "ቡና-ስኒ"),
        ("straße_№5", "straße_-5"),
        ("Vase grün", "Vase-grün"),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("\U00031350\U0002ceb0", "\U00031350\U0002ceb0"),
        ("１２３", "１２３"),
        # Composed, whatever the manifest has.
        ("e\u0301tui", "étui"),
        ("\u1100\u1161\u11a8", "각"),
    ],
)
def test_letters_and_digits_of_any_script_are_kept(sample_id: str, name: str) -> None:
    assert readable_name(sample_id) == name


@pytest.mark.parametrize(
    ("sample_id", "name"),
    [
        ("red 🚲 bike", "red-bike"),
        ("👩\u200d🚀", ""),
        ("1\ufe0f\u20e3", "1"),
        ("❤\ufe0f茶", "茶"),
        ("🏴\U000e0067\U000e0062\U000e007f", ""),
        ("a\u202egpj.exe", "a-gpj-exe"),
        ("אב\u200fגד\u2066", "אב-גד"),
        ("茶\u200b碗", "茶-碗"),
        ("ab\u200dcd\u200cef", "ab-cd-ef"),
        ("茶\u3164碗\u115f", "茶-碗"),
        ("\u0301\u0301", ""),
        ("／茶：碗＊", "茶-碗"),
        ("茶\0碗\r\n\x7f\x85", "茶-碗"),
        ("茶\u2028碗\ufeff", "茶-碗"),
        ("\ue000茶\ufffe", "茶"),
        ("茶/../碗", "茶-碗"),
        ("\u037e茶", "茶"),  # becomes a semicolon when it is composed
    ],
)
def test_what_is_no_letter_or_digit_becomes_a_hyphen(sample_id: str, name: str) -> None:
    assert readable_name(sample_id) == name


@pytest.mark.parametrize(
    ("sample_id", "path"),
    [
        ("shoes/red 42", "images/df/shoes-red-42.df4350da3e62b490.jpg"),
        ("-rf", "images/68/rf.686c39acd6327bbd.jpg"),
        ("SKU_0012.", "images/f8/SKU_0012.f874161f3f7fafbc.jpg"),
        ("", "images/e3/sample.e3b0c44298fc1c14.jpg"),
    ],
)
def test_ascii_ids_are_called_as_they_always_were(sample_id: str, path: str) -> None:
    assert object_path(sample_id, ".jpg") == path


@given(st.text(st.characters(max_codepoint=127)))
def test_any_ascii_id_is_called_as_it_always_was(sample_id: str) -> None:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", sample_id).strip("-")[:80]
    assert readable_name(sample_id).removesuffix("_") == name.removesuffix("_")


@pytest.mark.parametrize(
    "sample_id",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/../../b",
        "..\\..\\windows",
        "nul\0byte",
        "new\nline",
        "-rf",
        "?x=1#y",
        "%2e%2e%2f",
        "x" * 10_000,
        "茶" * 10_000,
        "é" + "/" * 10_000,
        "e" + "\u0316" * 10_000,
    ],
)
def test_hostile_ids_stay_below_images(sample_id: str) -> None:
    path = object_path(sample_id, ".jpg")
    assert re.fullmatch(r"images/[0-9a-f]{2}/\w[\w\u0300-\u036f.-]*\.jpg", path)
    assert ".." not in path


@given(IDS | SCRIPTS)
@example("茶" * 50)
@example("😀" * 50)
@example("e" + "\u0316" * 100)
@example("\u1100\u1161\u11a8" * 60)
def test_any_id_becomes_a_key_that_every_storage_takes(sample_id: str) -> None:
    path = PurePosixPath(object_path(sample_id, ".webp"))
    assert path.parts[0] == "images"
    assert len(path.parts) == 3
    assert len(path.name.encode()) <= 143
    assert len(quote(str(path))) <= 512
    assert unicodedata.normalize("NFC", path.name) == path.name
    assert not path.name.startswith(("-", "."))
    assert not unicodedata.category(path.name[0]).startswith("M")
    for character in path.name:
        kind = unicodedata.category(character)
        assert kind[0] in "LNM" or character in "_.-\u200c\u200d\u180e" or ord(character) > 0x1FFFF
    assert unquote(quote(path.name)) == path.name


@given(st.sets(IDS | SCRIPTS, min_size=2, max_size=20))
def test_two_ids_never_share_a_key_even_where_case_and_composition_do_not_count(
    sample_ids: set[str],
) -> None:
    keys = {
        unicodedata.normalize("NFD", unicodedata.normalize("NFKC", object_path(id_, "")).casefold())
        for id_ in sample_ids
    }
    assert len(keys) == len(sample_ids)


@pytest.mark.parametrize(
    "sample_ids",
    [
        ("red shoe", "red/shoe", "red-shoe", "red?shoe"),
        ("Shoe", "shoe", "SHOE"),
        ("x" * 100, "x" * 101),
        ("é", "e\u0301"),
        ("夕", "焼"),
        ("茶" * 100, "茶" * 101),
        ("Straße", "STRASSE", "strasse"),
        ("a", "a ", " a", "a\u200b"),
    ],
)
def test_ids_that_look_alike_keep_apart(sample_ids: tuple[str, ...]) -> None:
    keys = {object_path(sample_id, ".jpg").casefold() for sample_id in sample_ids}
    assert len(keys) == len(sample_ids)


@pytest.mark.parametrize(
    ("sample_id", "name"),
    [
        ("茶" * 60, "茶" * 40),
        ("ж" * 100, "ж" * 60),
        ("x" * 80 + "é", "x" * 80),
        # No syllable, and no letter with its accents, is torn.
        ("a" * 117 + "\u0915\u094d\u0937", None),
        ("\u0e19\u0e49" * 40, "\u0e19\u0e49" * 20),
        ("\u0915\u094d" * 30 + "\u0937", None),
    ],
)
def test_long_names_are_cut_between_letters(sample_id: str, name: str | None) -> None:
    found = readable_name(sample_id)
    assert 0 < len(found.encode()) <= 120
    if name is not None:
        assert found == name
    rest = sample_id.removeprefix(found)
    assert rest != sample_id
    if len(found) > 1 and "\u094d" not in found:
        assert not unicodedata.category(rest[0]).startswith("M")


@pytest.mark.parametrize("name", ["con", "NUL", "Aux", "com1", "LPT9", "COM¹", "con ", "ｎｕｌ"])
def test_no_name_is_a_device_on_windows(name: str) -> None:
    stem = object_path(name, ".jpg").rpartition("/")[2].partition(".")[0]
    assert stem.endswith("_")
    assert readable_name(f"{name}x").endswith("x")


def test_a_key_is_the_same_every_time() -> None:
    assert object_path("茶/赤 42", ".jpg") == object_path("茶/赤 42", ".jpg")


def test_keys_spread_over_many_prefixes() -> None:
    prefixes = {object_path(f"shoe-{n}", ".jpg").split("/")[1] for n in range(2000)}
    assert len(prefixes) == 256


@pytest.mark.parametrize("sample_id", ["茶碗/赤", "گلدان\u200cهای", "e\u0301", "𠮷" * 60])
def test_a_file_of_that_name_is_written_listed_and_opened(tmp_path: Path, sample_id: str) -> None:
    path = object_path(sample_id, ".jpg")
    storage.write(f"{tmp_path}/{path}", b"a picture", below=str(tmp_path))
    assert storage.list_files(str(tmp_path)) == [f"{tmp_path}/{path}"]
    assert (tmp_path / path).read_bytes() == b"a picture"
