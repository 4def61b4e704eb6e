from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables import choose, find


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"]}), sink)
    return sink.getvalue()


PARQUET, TEXT = parquet(), b"id\n1\n"


def lay(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("files", "taken", "file_format", "others"),
    [
        ({"a.pq": PARQUET, "b.parq": PARQUET, "c.PARQUET": PARQUET}, "all", "Parquet", []),
        ({"a.csv": TEXT, "b.tsv": TEXT, "c.csv.gz": TEXT}, "all", "CSV", []),
        ({"a.csv": TEXT, "notes.md": b"", "photo.jpg": b"", "README": b""}, ["a.csv"], "CSV", []),
        ({"a.parquet": PARQUET, "stats.json": b"{}"}, ["a.parquet"], "Parquet", ["stats.json"]),
        ({"a.csv": TEXT, "notes.txt": b"hello"}, ["a.csv"], "CSV", ["notes.txt"]),
        ({"a.json": b"{}", "b.json.gz": b""}, "all", "JSON Lines", []),
        ({"a.txt": TEXT, "b.tab": TEXT}, "all", "CSV", []),
        ({"part-00000-c000.json": b"{}", "part-1.json.zst": b""}, "all", "JSON Lines", []),
        ({"part-0.json": b"{}", "a.jsonl": b"{}"}, "all", "JSON Lines", []),
        ({"part-00000": PARQUET, "part-00001": PARQUET}, "all", "Parquet", []),
        ({"part-00000": PARQUET, "a.parquet": PARQUET}, "all", "Parquet", []),
        ({"20260101_1_ab": PARQUET, "000000_0": PARQUET}, "all", "Parquet", []),
        ({"000000_0": PARQUET, "LICENSE": b"text"}, ["000000_0"], "Parquet", []),
        ({"df.parquet.gzip": PARQUET}, "all", "Parquet", []),
    ],
)
def test_of_a_folder_those_files_are_rows_that_can_only_be_rows(
    tmp_path: Path,
    files: dict[str, bytes],
    taken: str | list[str],
    file_format: str,
    others: list[str],
) -> None:
    lay(tmp_path, files)
    chosen = choose(find(str(tmp_path)))
    assert chosen is not None
    names = sorted(files) if taken == "all" else taken
    assert sorted(chosen.files) == [str(tmp_path / name) for name in names]
    assert chosen.file_format == file_format
    assert list(chosen.others) == [str(tmp_path / name) for name in others]
    said = chosen.passed_over()
    assert (said is None) == (not others)
    assert said is None or (others[0] in said and said.startswith("1 file is passed over"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.parquet": PARQUET, "b.csv": TEXT}, "mixes ['.csv', '.parquet']: keep one format"),
        ({"part-00000": PARQUET, "part-00001": TEXT}, "a name without an ending says no format"),
        ({"data-0.arrow": b"", "state.json": b"{}"}, "['.arrow'] is not a manifest format: write "),
        ({"a.xlsx": b"", "b.ods": b""}, "['.ods', '.xlsx'] is not a manifest format: save it as"),
        ({"a.orc": b""}, "['.orc'] is not a manifest format: write it as Parquet, such as with"),
        ({"m.csv.lzo": b"", "n.csv.zip": b""}, "['.lzo', '.zip'] is not a manifest format: unpack"),
        ({"feed.xml": b""}, "['.xml'] is not a manifest format: export the feed as CSV, TSV or JS"),
    ],
)
def test_what_is_not_read_is_one_line_that_says_what_to_do(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    lay(tmp_path, files)
    with pytest.raises(ValueError, match=r"\S") as caught:
        choose(find(str(tmp_path)))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "files", [{}, {"a.jpg": b""}, {"x": b"text"}, {f"{n}": b"" for n in range(150)}]
)
def test_there_may_be_no_rows(tmp_path: Path, files: dict[str, bytes]) -> None:
    lay(tmp_path, files)
    assert choose(find(str(tmp_path))) is None


def test_a_file_that_is_named_itself_may_be_called_anything_that_is_certain(tmp_path: Path) -> None:
    files = {"m.json": b"{}", "m.txt": TEXT, "rows": PARQUET, "m.dat": PARQUET, "m.pqt": PARQUET}
    lay(tmp_path, files)
    for name in files:
        assert choose(find(str(tmp_path / name))) is not None
    assert choose(find(str(tmp_path / "m.*n"))) is not None
    lay(tmp_path, {"unsure.dat": TEXT})
    with pytest.raises(ValueError, match=r"\['.dat'\] is not a manifest format: use .parquet"):
        choose(find(str(tmp_path / "unsure.dat")))
