from __future__ import annotations

import posixpath
import unicodedata
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.storage import Fetched, PhotoReader, ReadPolicy
from pipeline.storage.photographs.spellings import respelled
from tests.faults import FaultyProxy
from tests.unit.storage.conftest import Fill, PointAt

NAMES = [
    "Bücher/Größe ä.jpg",
    "한글/상품.jpg",
    "ガラス/バッグ.jpg",
    "Tiếng Việt/áo dài.jpg",
    "shoes/Ångström.jpg",
    "Ελλάδα/Καφές.jpg",
]
"""Folders and files whose letters have a composed and a decomposed spelling."""


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def walked(uri: str) -> str:
    """Without the steps that a disk takes itself."""
    return posixpath.normpath(uri.replace("://", ":"))


def mixed(text: str) -> str:
    folder, file = text.split("/")
    return f"{nfc(folder)}/{nfd(file)}"


def crossed(text: str) -> str:
    folder, file = text.split("/")
    return f"{nfd(folder)}/{nfc(file)}"


SPELLINGS = [nfc, nfd, mixed, crossed]


def read_all(root: str | Path, uris: list[str]) -> list[bytes | str]:
    reader = PhotoReader(ReadPolicy(), root=str(root), max_bytes=1000)
    return [
        found.data if isinstance(found, Fetched) else str(found) for found in reader.read_many(uris)
    ]


def put(root: Path, name: str, data: bytes) -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


def read(root: str | Path, uri: str) -> bytes | str:
    (found,) = read_all(root, [uri])
    return found


@pytest.mark.parametrize("there", SPELLINGS)
def test_a_file_is_found_however_its_letters_are_composed(tmp_path: Path, there) -> None:
    paths = [put(tmp_path, there(name), b"shoe") for name in NAMES]
    for said in SPELLINGS:
        uris = [f"{tmp_path}/{said(name)}" for name in NAMES]
        assert read_all(tmp_path, uris) == [b"shoe"] * len(NAMES)
        before = storage.versions(uris, below=str(tmp_path))
        named = dict(zip(uris, paths, strict=True))
        assert before.spelled == {uri: path for uri, path in named.items() if uri != path}
        for path in paths:
            put(tmp_path, path, b"another shoe")
        after = storage.versions(uris, below=str(tmp_path))
        assert not after.items() & before.items()
        for path in paths:
            put(tmp_path, path, b"shoe")


@pytest.mark.parametrize("there", SPELLINGS)
def test_an_object_is_found_however_its_letters_are_composed(
    bucket: str, fill: Fill, there
) -> None:
    fill({f"shop/{there(name)}": b"shoe" for name in NAMES})
    keys = [f"{bucket}/shop/{there(name)}" for name in NAMES]
    uris = [f"{bucket}/shop/{said(name)}" for said in SPELLINGS for name in NAMES]
    assert read_all(bucket, uris) == [b"shoe"] * len(uris)
    before = storage.versions(uris)
    named = dict(zip(uris, keys * len(SPELLINGS), strict=True))
    assert before.spelled == {uri: key for uri, key in named.items() if uri != key}
    fill({f"shop/{there(name)}": b"another shoe" for name in NAMES})
    assert not storage.versions(uris).items() & before.items()


def test_a_root_may_be_spelled_otherwise(tmp_path: Path) -> None:
    root = tmp_path / nfd("Möbel")
    path = put(root, "a.jpg", b"chair")
    uri = f"{tmp_path}/{nfc('Möbel')}/a.jpg"
    assert read(root, uri) == b"chair"
    assert storage.versions([uri], below=str(root)).spelled == {uri: path}


def test_letters_that_a_mac_leaves_composed(tmp_path: Path, bucket: str, fill: Fill) -> None:
    # U+FA19 is a letter of Japanese names that both of Unicode's forms would replace.
    there, said = "\ufa19" + nfd("ガ") + ".jpg", "\ufa19" + nfc("ガ") + ".jpg"
    put(tmp_path, there, b"bag")
    fill({there: b"bag"})
    assert read(tmp_path, f"{tmp_path}/{said}") == b"bag"
    assert read(bucket, f"{bucket}/{said}") == b"bag"


BLANKS = [
    ("a.jpg ", "a.jpg "),
    ("b.jpg", "b.jpg   "),
    ("c.jpg", "c.jpg\u200b"),
    ("d.jpg", "\ufeff d.jpg\u00a0"),
    (" images/e.jpg", " images/e.jpg"),
    ("images/f.jpg", "  images/f.jpg"),
    ("images/g.jpg", "images\\g.jpg"),
    ("images/ä.jpg", " images\\" + nfd("ä.jpg") + " "),
    ("images\\h.jpg", "images\\h.jpg"),
    ("images/i.jpg", '"images/i.jpg"'),
    ("tom & jerry.jpg", "tom &amp; jerry.jpg"),
    ("k &amp; l.jpg", "k &amp; l.jpg"),
    ("l'été.jpg", "l&#39;&#xE9;t&#233;.jpg"),
    ('12" & <13>.jpg', "12&quot; &amp; &lt;13&gt;.jpg"),
    ("m.jpg", "m.jpg \r\n"),
    ("images/n.jpg", "./images/n.jpg"),
    ("images/o.jpg", "images//./o.jpg"),
    ("p.jpg", "nowhere/../p.jpg"),
]
"""Names of files, and what a cell says."""


def test_what_is_there_as_it_is_written_or_as_it_is_meant(
    tmp_path: Path, bucket: str, fill: Fill
) -> None:
    fill({f"shop/{there}": there.encode() for there, _ in BLANKS})
    for there, _ in BLANKS:
        put(tmp_path, there, there.encode())
    for root in (str(tmp_path), f"{bucket}/shop"):
        uris = [storage.resolve(said, against=root) for _, said in BLANKS]
        assert read_all(root, uris) == [there.encode() for there, _ in BLANKS]
        found = storage.versions(uris, below=root)
        assert found.keys() == set(uris)
        named = [found.spelled.get(uri, uri) for uri in uris]
        assert [walked(uri) for uri in named] == [walked(f"{root}/{there}") for there, _ in BLANKS]


@pytest.mark.parametrize(
    ("exact", "other"),
    [("a.jpg ", "a.jpg"), (nfc("ä.jpg"), nfd("ä.jpg")), (nfd("ä.jpg"), nfc("ä.jpg"))],
)
def test_where_both_are_there_the_exact_one_is_taken_and_nothing_more_is_asked(
    tmp_path: Path, bucket: str, fill: Fill, s3_port: int, point_at: PointAt, exact: str, other: str
) -> None:
    for name in (exact, other):
        put(tmp_path, name, name.encode())
    fill({name: name.encode() for name in (exact, other)})
    assert read(tmp_path, f"{tmp_path}/{exact}") == exact.encode()
    assert not storage.versions([f"{tmp_path}/{exact}"]).spelled
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        assert read(bucket, f"{bucket}/{exact}") == exact.encode()
        assert proxy.counts["requests"] == 1
        assert not storage.versions([f"{bucket}/{exact}"]).spelled
        assert proxy.counts["requests"] == 2


def test_a_name_that_is_not_there_in_any_spelling_takes_no_more_requests_than_it_has(
    bucket: str, s3_port: int, point_at: PointAt
) -> None:
    with FaultyProxy(s3_port, seed=0, slow_down=0, reset=0, delay=0) as proxy:
        point_at(proxy.url)
        for name, most in (("a b.jpg", 1), ("a.jpg ", 2), ("ä.jpg", 2), ("ä/ö/ü/é .jpg", 13)):
            before = proxy.counts["requests"]
            assert "not_found" in read(bucket, f"{bucket}/{name}")
            assert proxy.counts["requests"] - before <= most
    assert len(respelled("ä /ö\\/ü&amp;/é " * 40)) <= 12


def test_two_files_that_could_both_be_meant_are_neither(tmp_path: Path) -> None:
    # The marks of U+0344 are those of the other two in another order of composing.
    both = [nfc("äé.jpg"), nfd("äé.jpg")]
    for name in both:
        put(tmp_path, name, b"x")
    said = read(tmp_path, f"{tmp_path}/{nfc('ä')}{nfd('é')}.jpg")
    assert "not_found" in said
    assert "2 files whose names differ from it" in said


@pytest.mark.parametrize(
    "name",
    [
        "..\\secret.jpg",
        "images\\..\\..\\secret.jpg",
        " ../secret.jpg",
        "../" + nfd("ä.jpg"),
        "out/é.jpg",
    ],
)
def test_no_spelling_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / "shop"
    put(root, "images/a.jpg", b"a shoe")
    put(tmp_path, "secret.jpg", b"a secret")
    put(tmp_path, nfc("ä.jpg"), b"a secret")
    put(tmp_path, nfd("é.jpg"), b"a secret")
    (root / "out").symlink_to(tmp_path)
    uri = storage.resolve(name, against=str(root))
    assert read(root, uri).startswith(("not_found", "uri_not_allowed"))
    found = storage.versions([uri], below=str(root))
    assert not found
    assert not found.spelled


def test_a_key_may_have_steps_of_a_path(bucket: str, fill: Fill) -> None:
    fill({"shop/../a.jpg": b"to the letter", "a.jpg": b"walked", "b//c.jpg": b"to the letter"})
    keys = ["shop/../a.jpg", "shop/.././a.jpg", "b//c.jpg", "/a.jpg"]
    expected = [b"to the letter", b"walked", b"to the letter", b"walked"]
    uris = [f"{bucket}/{key}" for key in keys]
    assert read_all(bucket, uris) == expected
    found = storage.versions(uris)
    assert found.spelled == {uris[1]: f"{bucket}/a.jpg", uris[3]: f"{bucket}/a.jpg"}
    assert read(bucket, storage.resolve("../a.jpg", against=f"{bucket}/feeds")) == b"walked"


def test_what_lies_outside_has_no_version(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jpg", b"a secret")
    assert not storage.versions([path], below=str(tmp_path / "shop"))
    assert storage.versions([path], below=str(tmp_path))


def test_another_letter_is_another_file(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", b"x")
    put(tmp_path, "ﬁn.jpg", b"x")
    for name in ("A.jpg", "ä.jpg", "a.jpeg", "fin.jpg", "a%2ejpg"):
        (found,) = PhotoReader(ReadPolicy(), root=str(tmp_path), max_bytes=9).read_many(
            [f"{tmp_path}/{name}"]
        )
        assert isinstance(found, RowError)
        assert found.code is ErrorCode.NOT_FOUND
