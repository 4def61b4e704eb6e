from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.tables.finding import find

HIDDEN = [
    "_temporary/0/part-0.parquet",
    "_temporary/0/_temporary/attempt_1/part-1.parquet",
    ".hidden.parquet",
    "._m.parquet",
    "__MACOSX/m.parquet",
    ".ipynb_checkpoints/m-checkpoint.csv",
    "_delta_log/00000000000000000000.json",
    "_metadata",
    "_SUCCESS",
    ".DS_Store",
    ".part-0.parquet.crc",
    "dt=1/.spark-staging/part-9.parquet",
    "dt=1/_SUCCESS",
    ".git/dt=1/m.parquet",
]
SEEN = [
    "_part=1/m.parquet",
    "__HIVE_DEFAULT_PARTITION__/m.parquet",
    "a_b.parquet",
    "dt=1/_x=2/part-0.parquet",
    "deeper/still_deeper/m.parquet",
    "m.parquet",
]


def lay(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def below(folder: str, files: object) -> list[str]:
    assert isinstance(files, list)
    return sorted(file.removeprefix(f"{folder}/") for file in files)


@pytest.mark.parametrize("name", ["catalogue", "_catalogue", ".kept/catalogue"])
def test_hidden_names_below_a_folder_are_passed_over_at_any_depth_and_counted(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    lay(folder, HIDDEN + SEEN)
    found = find(str(folder))
    assert below(str(folder), found.files) == sorted(SEEN)
    assert below(str(folder), found.hidden) == sorted(HIDDEN)
    assert found.root == str(folder)
    said = found.passed_over()
    assert said is not None
    assert said.startswith(f"{len(HIDDEN)} files are passed over, whose names, or those of their")


@pytest.mark.parametrize(
    ("pattern", "seen"),
    [
        ("*.parquet", ["a_b.parquet", "m.parquet"]),
        ("**/*.parquet", SEEN),
        ("_temporary/*/*.parquet", ["_temporary/0/part-0.parquet"]),
        ("_temp*/0/*.parquet", ["_temporary/0/part-0.parquet"]),
        (".*.parquet", ["._m.parquet", ".hidden.parquet"]),
        ("_*/m.parquet", ["__HIVE_DEFAULT_PARTITION__/m.parquet", "__MACOSX/m.parquet"]),
        ("dt=1/*/*.parquet", ["dt=1/_x=2/part-0.parquet"]),
    ],
)
def test_a_pattern_means_hidden_names_where_it_spells_out_how_they_begin(
    tmp_path: Path, pattern: str, seen: list[str]
) -> None:
    lay(tmp_path, HIDDEN + SEEN)
    names = below(str(tmp_path), find(str(tmp_path / pattern)).files)
    assert [name for name in names if "_part=" not in name] == sorted(
        name for name in seen if "_part=" not in name
    )


@pytest.mark.parametrize("name", [*HIDDEN, "m[1].parquet", "a*b.parquet"])
def test_a_file_that_is_named_itself_is_read(tmp_path: Path, name: str) -> None:
    lay(tmp_path, [name])
    found = find(str(tmp_path / name))
    assert found.files == [str(tmp_path / name)]
    assert found.passed_over() is None


def test_one_file_is_one_and_what_it_is_called_obeys_no_terminal(tmp_path: Path) -> None:
    lay(tmp_path, ["m.parquet", "_x\x1b[31m.parquet"])
    assert find(str(tmp_path)).passed_over() == (
        "1 file is passed over, whose names, or those of their folders, begin with _ or . "
        "(such as _x[U+001B][31m.parquet)"
    )
