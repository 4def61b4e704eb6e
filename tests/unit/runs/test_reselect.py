from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import ErrorCode, RowError, TransientError
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.planning.used_columns import used_columns
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs.reselect import choose, write_manifest
from pipeline.runs.run_folder import Origin
from pipeline.tables import Reading
from tests.conftest import MakeManifest
from tests.unit.past import past_run

GONE = RowError(ErrorCode.NOT_FOUND, "nothing there")
BUSY = TransientError(ErrorCode.STORAGE, "no answer")
USED = used_columns(Recipe(name="plain"))
BRANDS = {"a": "Acme", "b": "Acme", "c": "Bolt", "d": None}


@pytest.fixture
def output(tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe) -> str:
    manifest = make_manifest(
        id=list(BRANDS),
        image_uri=["images/x.jpg", "s3://b/y.jpg", None, " images/z.jpg"],
        mask_uri=["masks/x.png", None, None, None],
        prompt=["sand", "oak", "sand", "oak"],
        brand=list(BRANDS.values()),
        seed=[1, 2, 3, 4],
    )
    output = str(tmp_path / "dataset")
    past_run(output, "r1", manifest, {"c": BUSY, "d": BUSY}, recipe=recipe)
    past_run(output, "r2", manifest, {"b": GONE, "c": BUSY}, recipe=recipe, finished=False)
    return output


def chosen_ids(output: str, condition: str) -> set[str]:
    chosen = choose(output, condition)
    if chosen is None:
        return set()
    return {id_ for table in chosen.ids.values() for id_ in table["id"].to_pylist()}


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("error.code = 'storage'", {"c"}),  # of d, the newest row has a picture
        ("error.code = 'storage' or brand = 'Acme'", {"a", "b", "c"}),
        ("error is null", {"a", "d"}),
        ("brand is null", {"d"}),
        ("BRAND = 'Bolt' and Error.Retryable", {"c"}),
        ("prompt = 'oak' and image_path is null", {"b"}),
        ("seed > 2", {"c", "d"}),
        ("run_id = 'r1'", set()),
        ("true", {"a", "b", "c", "d"}),
    ],
)
def test_conditions_speak_of_results_and_manifest(
    output: str, condition: str, ids: set[str]
) -> None:
    assert chosen_ids(output, condition) == ids


def test_a_result_column_hides_the_manifests(
    tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    manifest = make_manifest(id=["a"], image_uri=["x"], prompt=["p"], recipe=["mine"])
    past_run(str(tmp_path / "out"), "r1", manifest, recipe=recipe)
    assert chosen_ids(str(tmp_path / "out"), "recipe = 'plain'") == {"a"}
    assert chosen_ids(str(tmp_path / "out"), "recipe = 'mine'") == set()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("brnd = 'Acme'", "brnd"),
        ("error.cod = 'x'", "cod"),
        ("brand = ", "syntax error"),
        ("brand = 'Acme' --", "one expression, without comments"),
        ("true); CREATE TABLE x (y INT)", "syntax error"),
        ("true, false", "must be one expression"),
        ("seed / 'x' > 1", "x"),
        ("id in (select id from read_parquet('/etc/x'))", "disabled"),
    ],
)
def test_a_wrong_condition_is_one_line(output: str, condition: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        choose(output, condition)
    assert str(caught.value).startswith(f"--where {condition!r}: ")
    assert "\n" not in str(caught.value)


KEPT = {
    "float16": (pa.array([1.5, 2.5], pa.float16()), "x > 2"),
    "decimal64": (pa.array([Decimal("1.5"), Decimal("2.5")], pa.decimal64(12, 2)), "x = 2.5"),
    "decimal256": (pa.array([Decimal(1), Decimal(2)], pa.decimal256(38, 0)), "x = 2"),
    "dictionary": (pa.array(["a", "b"]).dictionary_encode(), "x = 'b'"),
    "a list of text": (pa.array([["a"], ["b"]]), "list_contains(x, 'b')"),
    "a map": (
        pa.array([[("k", 1)], [("k", 2)]], pa.map_(pa.string(), pa.int64())),
        "x[1].value = 2",
    ),
}


@pytest.mark.parametrize(("column", "condition"), KEPT.values(), ids=KEPT)
def test_conditions_compare_what_was_kept_as_they_do_in_a_manifest(
    tmp_path: Path, make_manifest: MakeManifest, column: pa.Array, condition: str
) -> None:
    kept = parse_recipe("{name: plain, keep: [x]}", source="mine")
    manifest = make_manifest(id=["a", "b"], image_uri=["x"] * 2, prompt=["p"] * 2, x=column)
    past_run(str(tmp_path / "out"), "r1", manifest, recipe=kept)
    assert chosen_ids(str(tmp_path / "out"), condition) == {"b"}


def test_columns_of_others_may_have_any_name(tmp_path: Path, make_manifest: MakeManifest) -> None:
    names = ["run_of_the_newest_row", "results", "manifest", "place", "row", "rows", "a.b", "größe"]
    kept = parse_recipe(f"{{name: plain, keep: {names}}}", source="mine")
    columns = {name: ["va", "vb"] for name in names}
    manifest = make_manifest(id=["a", "b"], image_uri=["x"] * 2, prompt=["p"] * 2, **columns)
    past_run(str(tmp_path / "out"), "r1", manifest, recipe=kept)
    for name in names:
        assert chosen_ids(str(tmp_path / "out"), f"\"{name}\" = 'vb'") == {"b"}, name


def test_what_was_kept_and_sql_has_no_type_for_is_refused_by_name(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    kept = parse_recipe("{name: plain, keep: [x]}", source="mine")
    wide = pa.array([Decimal("9" * 60)], pa.decimal256(76, 2))
    manifest = make_manifest(id=["x"], image_uri=["x"], prompt=["p"], x=wide)
    past_run(str(tmp_path / "out"), "r1", manifest, recipe=kept)
    said = r"column 'x' is decimal256\(76, 2\), which a condition cannot read: leave it out"
    with pytest.raises(ValueError, match=said):
        choose(str(tmp_path / "out"), "x > 2")
    assert chosen_ids(str(tmp_path / "out"), "id = 'x'") == {"x"}


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no runs there"):
        choose(str(tmp_path), "true")


def test_the_new_manifest_has_all_columns_and_absolute_uris(output: str, tmp_path: Path) -> None:
    chosen = choose(output, "brand = 'Acme' or brand is null or error.code = 'storage'")
    assert chosen is not None
    assert write_manifest(chosen, str(tmp_path / "new"), used=USED) == chosen.num_rows == 4
    (file,) = (tmp_path / "new").iterdir()
    rows = {row["id"]: row for row in pq.read_table(file).to_pylist()}
    assert {name: row["brand"] for name, row in rows.items()} == BRANDS
    assert [rows[name]["image_uri"] for name in BRANDS] == [
        f"{tmp_path}/images/x.jpg",
        "s3://b/y.jpg",
        None,
        f"{tmp_path}/ images/z.jpg",  # which the plan looks for as it is written, and then without
    ]
    assert [rows[name]["mask_uri"] for name in BRANDS] == [f"{tmp_path}/masks/x.png", *[None] * 3]
    assert open_manifest(str(tmp_path / "new")).count() == 4
    assert chosen.image_root == str(tmp_path)
    assert [run.run_id for run in chosen.parents] == ["r2"]


def test_columns_of_a_manifest_that_were_renamed_have_their_new_names(
    tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    output = str(tmp_path / "out")
    shop = make_manifest(
        "shop.parquet",
        Handle=["a", "b"],
        pic=["1.jpg", "2.jpg"],
        prompt=["p", "p"],
        Vendor=["x", "y"],
    )
    reading = Reading(names=(("brand", "Vendor"), ("id", "Handle"), ("image_uri", "pic")))
    past_run(output, "r1", shop, {"b": GONE}, recipe=recipe, reading=reading)
    # The same file by other names is another manifest.
    other = Reading(names=(("brand", "prompt"), ("id", "pic"), ("image_uri", "Handle")))
    past_run(output, "r2", shop, {"1.jpg": GONE}, recipe=recipe, reading=other)
    chosen = choose(output, "error is not null and brand = 'y'")
    assert chosen is not None
    assert write_manifest(chosen, str(tmp_path / "new"), used=USED) == 1
    assert pq.read_table(tmp_path / "new").to_pylist() == [
        {"id": "b", "image_uri": f"{tmp_path}/2.jpg", "prompt": "p", "brand": "y"}
    ]


def test_rows_of_two_manifests_go_into_one(
    output: str, tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    more = make_manifest("more.parquet", id=["e"], image_uri=["e.jpg"], prompt=["p"], size=[7])
    past_run(output, "r3", more, {"e": GONE}, recipe=recipe)
    # A condition must make sense for every row that it is asked of.
    with pytest.raises(ValueError, match="brand"):
        choose(output, "brand = 'Acme'")
    chosen = choose(output, "error is not null")
    assert chosen is not None
    assert write_manifest(chosen, str(tmp_path / "new"), used=USED) == 3
    made = open_manifest(str(tmp_path / "new"))
    (batch,) = [pa.Table.from_batches(batch for batch, _ in made.batches(["id", "brand", "size"]))]
    rows = {row["id"]: row for row in batch.to_pylist()}
    assert {name: (row["brand"], row["size"]) for name, row in rows.items()} == {
        "b": ("Acme", None),
        "c": ("Bolt", None),
        "e": (None, 7),
    }
    assert [run.run_id for run in chosen.parents] == ["r2", "r3"]


def test_photographs_of_two_folders_are_refused(
    output: str, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    other = make_manifest("other/m.parquet", id=["e"], image_uri=["e.jpg"], prompt=["p"])
    past_run(output, "r3", other, recipe=recipe)
    with pytest.raises(ValueError, match="manifests in 2 folders"):
        choose(output, "true")
    assert chosen_ids(output, "run_id = 'r3'") == {"e"}


def test_a_rerun_of_a_rerun_starts_from_the_first_folder(
    output: str, tmp_path: Path, recipe: Recipe
) -> None:
    chosen = choose(output, "brand = 'Bolt'")
    assert chosen is not None
    manifest = str(tmp_path / "dataset" / "run_id=r3" / "manifest")
    write_manifest(chosen, manifest, used=USED)
    origin = Origin(parent=("r2",), condition="brand = 'Bolt'", image_root=str(tmp_path))
    past_run(output, "r3", manifest, {"c": GONE}, recipe=recipe, origin=origin)
    again = choose(output, "error.code = 'not_found' and brand = 'Bolt'")
    assert again is not None
    assert again.image_root == str(tmp_path)


UNUSED = {
    "text and numbers": (["x"], [3]),
    "numbers and a struct": ([3], [{"a": 1}]),
    "dates and text": (pa.array([0], pa.date32()), ["x"]),
    "UUIDs and text": (pa.array([b"0" * 16], pa.uuid()), ["x"]),
    "durations and numbers": (pa.array([1], pa.duration("s")), [1.5]),
}


@pytest.mark.parametrize(("first", "second"), UNUSED.values(), ids=UNUSED)
def test_what_nobody_uses_need_not_fit_together(
    tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe, first: pa.Array, second: pa.Array
) -> None:
    output, new = str(tmp_path / "out"), str(tmp_path / "new")
    monday = make_manifest("1.parquet", id=["a"], image_uri=["a"], prompt=["p"], x=first)
    tuesday = make_manifest("2.parquet", id=["b"], image_uri=["b"], prompt=["p"], x=second)
    past_run(output, "r1", monday, {"a": GONE}, recipe=recipe)
    past_run(output, "r2", tuesday, {"b": GONE}, recipe=recipe)
    chosen = choose(output, "error is not null")
    assert chosen is not None
    assert write_manifest(chosen, new, used=USED) == 2
    planner = Planner(recipe=recipe, manifest=open_manifest(new))
    planner.check()
    (plan,) = planner.tables()
    assert plan["id"].to_pylist() == ["a", "b"]
    # The same columns in the recipe are a conflict, which is told with both manifests.
    keeping = parse_recipe("{name: plain, keep: [x]}", source="mine")
    said = f"column 'x' is .* in {monday} and .* in {tuesday}: cast one of them, or select the rows"
    with pytest.raises(ValueError, match=said) as caught:
        write_manifest(chosen, str(tmp_path / "kept"), used=used_columns(keeping))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "kept").exists()


def test_a_column_in_other_letters_is_a_conflict_only_where_it_is_used(
    tmp_path: Path, make_manifest: MakeManifest, recipe: Recipe
) -> None:
    output, new = str(tmp_path / "out"), str(tmp_path / "new")
    monday = make_manifest("1.parquet", id=["a"], image_uri=["a"], prompt=["p"], brand=["x"])
    tuesday = make_manifest("2.parquet", id=["b"], image_uri=["b"], prompt=["p"], Brand=["x"])
    past_run(output, "r1", monday, {"a": GONE}, recipe=recipe)
    past_run(output, "r2", tuesday, {"b": GONE}, recipe=recipe)
    chosen = choose(output, "error is not null")
    assert chosen is not None
    for name in ("brand", "Brand"):
        with pytest.raises(ValueError, match=f"'brand' in {monday} is called 'Brand' in {tuesday}"):
            write_manifest(chosen, new, used=[*USED, name])
    assert write_manifest(chosen, new, used=USED) == 2
    assert open_manifest(new).schema.names == ["id", "image_uri", "prompt", "brand"]


def test_what_nobody_uses_and_no_file_can_hold_is_left_out(tmp_path: Path, recipe: Recipe) -> None:
    folder = tmp_path / "catalog"
    folder.mkdir()
    rows = {"id": ["a"], "image_uri": ["a"], "prompt": ["p"]}
    pq.write_table(pa.table({**rows, "x": [2**53 + 1]}), folder / "1.parquet")
    pq.write_table(pa.table({**rows, "id": ["b"], "x": [0.5]}), folder / "2.parquet")
    output, new = str(tmp_path / "out"), str(tmp_path / "new")
    past_run(output, "r1", str(folder), {"a": GONE}, recipe=recipe)
    chosen = choose(output, "error is not null")
    assert chosen is not None
    assert write_manifest(chosen, new, used=USED) == 1
    assert open_manifest(new).schema.names == ["id", "image_uri", "prompt"]


def test_a_condition_is_asked_of_runs_that_keep_another_column_under_other_types(
    tmp_path: Path, make_manifest: MakeManifest
) -> None:
    output = str(tmp_path / "out")
    keeping = parse_recipe("{name: plain, keep: [x]}", source="mine")
    for name, x in (("a", ["v"]), ("b", [3])):
        manifest = make_manifest(f"{name}.parquet", id=[name], image_uri=["1"], prompt=["p"], x=x)
        past_run(output, f"r-{name}", manifest, {name: GONE}, recipe=keeping)
    assert chosen_ids(output, "error.code = 'not_found'") == {"a", "b"}
    with pytest.raises(ValueError, match="do not fit together"):
        choose(output, "x = 'v'")
