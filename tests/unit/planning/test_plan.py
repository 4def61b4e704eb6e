from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.errors import ErrorCode, RowError, TransientError, error_value
from pipeline.manifest.reader import open_manifest
from pipeline.manifest.shots import Brief, Shot, shots
from pipeline.planning.planner import ROWS_PER_FILE, Planner
from pipeline.planning.prompt_and_seed import resolve_seed, template_columns
from pipeline.recipe import Recipe, parse_recipe
from tests.conftest import MakeManifest


def recipe_with(*overrides: str) -> Recipe:
    return parse_recipe("name: mine", overrides=overrides, source="mine")


def planned(uri: str, *overrides: str, **how: Any) -> list[dict[str, Any]]:
    planner = Planner(recipe=recipe_with(*overrides), manifest=open_manifest(uri, **how))
    planner.check()
    return [row for table in planner.tables() for row in table.to_pylist()]


def refusal(uri: str, *overrides: str) -> str:
    with pytest.raises(ValueError, match=r"\S") as caught:
        Planner(recipe=recipe_with(*overrides), manifest=open_manifest(uri)).check()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{id.__class__}",
        "{id.__class__.__mro__[1]}",
        "{id[0]}",
        "{0}",
        "{}",
        "{ id }",
        "{id!r}",
        "{id:>1000000000}",
        "{id:{width}}",
        "{",
        "}",
        "{id",
        "{a-b}",
    ],
)
def test_a_template_can_do_nothing_but_name_columns(
    make_manifest: MakeManifest, template: str
) -> None:
    with pytest.raises(ValueError, match=r"^prompt\.template "):
        template_columns(template)
    uri = make_manifest(id=["a"], image_uri=["x"])
    assert template in refusal(uri, f'prompt.template="{template}"')


@pytest.mark.parametrize("column", ["image_uri", "mask_uri", "reference_uri"])
def test_what_can_be_no_address_costs_its_row_and_names_the_column(
    make_manifest: MakeManifest, column: str
) -> None:
    cells = ["data:image/jpeg;base64," + "/9j/" * 90_000, "gs://shop/a.jpg", "a.jpg"]
    columns = {"image_uri": ["1.jpg"] * 3} | {column: cells}
    rows = planned(make_manifest(id=["a", "b", "c"], prompt=["oak"] * 3, **columns))
    assert [row["error"] and row["error"]["code"] for row in rows] == ["bad_request"] * 2 + [None]
    said = [row["error"]["message"] for row in rows[:2]]
    assert all(message.startswith(f"{column} ") for message in said)
    assert "more than 32,000 characters" in said[0]
    assert "write s3://bucket/key" in said[1]
    assert max(map(len, said)) < 400


def test_a_plan_names_each_picture_as_it_is_called_there(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    for name in ("Gro\u0308\u00dfe.jpg", "masks/a.png", "style.jpg "):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    uri = make_manifest(
        id=["a", "b"],
        image_uri=["Gr\u00f6\u00dfe.jpg", None],
        image=[{"bytes": None, "path": None}, {"bytes": None, "path": "Gr\u00f6\u00dfe.jpg"}],
        mask_uri=["masks\\a.png ", "masks/a.png"],
        reference_uri=["style.jpg ", "style.jpg "],
        prompt=["oak"] * 2,
    )
    before = planned(uri)
    assert [row["error"] for row in before] == [None] * 2
    assert [row["image_uri"] for row in before] == [f"{tmp_path}/Gro\u0308\u00dfe.jpg"] * 2
    assert [row["mask_uri"] for row in before] == [f"{tmp_path}/masks/a.png"] * 2
    assert [row["reference_uris"] for row in before] == [[f"{tmp_path}/style.jpg "]] * 2
    assert None not in [row["image_version"] for row in before]
    seen = [row["fingerprint"] for row in before]
    for name in ("Gro\u0308\u00dfe.jpg", "masks/a.png", "style.jpg "):
        (tmp_path / name).write_bytes(b"replaced")
        now = [row["fingerprint"] for row in planned(uri)]
        assert set(seen).isdisjoint(now)
        seen = now


def test_masks_are_planned_with_their_versions(make_manifest: MakeManifest, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"mask")
    uri = make_manifest(
        id=["a", "b", "c"],
        image_uri=["1.jpg", "1.jpg", "1.jpg"],
        mask_uri=["1.png", " ", None],
        prompt=["sand"] * 3,
    )
    first, second, third = planned(uri)
    assert first["mask_uri"] == str(tmp_path / "1.png")
    assert (second["mask_uri"], third["mask_uri"]) == (None, None)
    (tmp_path / "1.png").write_bytes(b"another mask")
    assert planned(uri)[0]["fingerprint"] != first["fingerprint"]
    assert planned(uri)[1]["fingerprint"] == second["fingerprint"]


def test_a_plan_row_has_everything_decided(make_manifest: MakeManifest, tmp_path: Path) -> None:
    uri = make_manifest(
        id=["a", "b"], image_uri=["1.jpg", "s3://x/2.jpg"], prompt=["sand", None], seed=[5, None]
    )
    allowed = "fetch.allowed_prefixes=[s3://x]"
    first, second = planned(uri, "prompt.default=oak", allowed)
    assert first == {
        "sample_id": "a",
        "addresses": None,
        "id": "a",
        "fingerprint": first["fingerprint"],
        "image_uri": str(tmp_path / "1.jpg"),
        "image_version": None,
        "image_input": None,
        "mask_uri": None,
        "clipping_path": None,
        "reference_uris": [],
        "prompt": "sand",
        "prompt_origin": "manifest",
        "seed": 5,
        "shot": first["shot"],
        "error": None,
    }
    assert Shot.model_validate(first["shot"]) == shots(Brief(), None)[0]
    assert (second["prompt"], second["prompt_origin"]) == ("oak", "default")
    assert second["image_uri"] == "s3://x/2.jpg"
    assert second["seed"] == resolve_seed(None, "b")


def test_a_row_names_the_path_that_cuts_it_out_or_the_recipe_does(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg", "2.jpg"], clipping_path=["Path 2", " "])
    own, default = planned(uri, "prompt.default=oak", "brief.clipping_path=Path 1")
    assert (own["clipping_path"], default["clipping_path"]) == ("Path 2", "Path 1")
    plain, none = planned(uri, "prompt.default=oak", "ignore_columns=[clipping_path]")
    assert (plain["clipping_path"], none["clipping_path"]) == (None, None)
    assert plain["fingerprint"] != own["fingerprint"]


def test_planning_twice_gives_the_same_plan(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a", "b"], image_uri=["1.jpg", "2.jpg"])
    assert planned(uri, "prompt.default=oak") == planned(uri, "prompt.default=oak")


def test_fingerprints_do_not_depend_on_pools_or_kept_columns(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["sand"], title=["x"])
    variants = {
        row["fingerprint"]
        for overrides in ([], ["resources.render.num_cpus=2"], ["keep=[title]"])
        for row in planned(uri, *overrides)
    }
    assert len(variants) == 1
    (other,) = planned(uri, "render.quality=80")
    assert other["fingerprint"] not in variants


def test_rows_that_cannot_be_planned_carry_their_error(make_manifest: MakeManifest) -> None:
    uri = make_manifest(
        id=["good", "dumb", "lost", "seedy"],
        image_uri=["1.jpg", "2.jpg", " ", "4.jpg"],
        prompt=["sand", None, "sand", "sand"],
        seed=[1, 1, 1, -9],
    )
    rows = planned(uri)
    assert [row["id"] for row in rows] == ["good", "dumb", "lost", "seedy"]
    errors = [row["error"] and (row["error"]["stage"], row["error"]["code"]) for row in rows]
    assert errors == [
        None,
        ("plan", "prompt_missing"),
        ("plan", "bad_request"),
        ("plan", "bad_request"),
    ]


NO_ADDRESSES = [
    "s3://",
    "s3:///x.jpg",
    "s3://shop",
    "s3://b cat/x.jpg",
    "s3://bücher/x.jpg",
    "s3://shop/a\x01.jpg",
    "https://shop.example/a\x02.jpg",
    "a\0.jpg",
    "s3://shop/" + "x" * 1025,
]


@pytest.mark.parametrize("versions", ["list", "none"])
@pytest.mark.parametrize("column", ["image_uri", "mask_uri", "reference_uri"])
@pytest.mark.parametrize("where", [None, "seed > 0"])
def test_what_can_be_no_address_costs_its_row(
    make_manifest: MakeManifest, column: str, versions: str, where: str | None
) -> None:
    count = len(NO_ADDRESSES)
    columns: dict[str, Any] = {
        "id": [*(f"bad {n}" for n in range(count)), "good"],
        "image_uri": ["1.jpg"] * (count + 1),
        "prompt": ["oak"] * (count + 1),
        "seed": [1] * (count + 1),
    }
    columns[column] = [*NO_ADDRESSES, "2.jpg"]
    *bad, good = planned(make_manifest(**columns), f"fetch.versions={versions}", where=where)
    assert good["error"] is None
    assert [row["id"] for row in bad] == [f"bad {n}" for n in range(count)]
    for row in bad:
        assert row["error"]["code"] == "bad_request"
        assert row["error"]["message"].startswith(f"{column} ")


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["red", None], pa.large_string()),
        (["red", None], pa.dictionary(pa.int32(), pa.string())),
        ([1, None], pa.uint16()),
        ([1.5, None], pa.float32()),
        ([["a", "b"], None], pa.list_(pa.string())),
        ([{"w": 1}, None], pa.struct([("w", pa.int32())])),
        ([1_700_000_000_000, None], pa.timestamp("ms", tz="UTC")),
    ],
    ids=lambda value: str(value) if isinstance(value, pa.DataType) else "",
)
def test_kept_columns_travel_with_value_and_type(
    make_manifest: MakeManifest, values: list[Any], type_: pa.DataType
) -> None:
    column = pa.array(values, type_)
    uri = make_manifest(id=["a", "b"], image_uri=["x", "y"], prompt=["p", "p"], extra=column)
    planner = Planner(recipe=recipe_with("keep=[extra]"), manifest=open_manifest(uri))
    (table,) = planner.tables()
    assert table["extra"].type == type_
    assert table["extra"].to_pylist() == column.to_pylist()
    assert table.schema.equals(planner.plan_schema.append(schema.ADDRESSES))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("keep=[colour]", "keep: the manifest has no column 'colour'; it has ['id',"),
        ("keep=[id]", "keep: 'id' is a column of every result: take it out of keep"),
        ("keep=[error]", "keep: 'error' is a column of every result"),
        ("keep=[title, title]", "keep: 'title' is named twice"),
        ("prompt.template='{colour} wall'", "prompt.template: the manifest has no column 'colour'"),
    ],
)
def test_a_recipe_that_does_not_fit_the_manifest_is_refused(
    make_manifest: MakeManifest, override: str, message: str
) -> None:
    uri = make_manifest(id=["a"], image_uri=["x"], prompt=["p"], title=["t"], error=["e"])
    assert message in refusal(uri, override)


def test_a_manifest_without_prompts_needs_a_recipe_with_one(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a"], image_uri=["x"])
    assert "add one of the three" in refusal(uri)
    assert planned(uri, "prompt.default=oak")[0]["prompt"] == "oak"
    assert planned(uri, "prompt.template=shelf {id}")[0]["prompt"] == "shelf a"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "a", "b"], "has 'a' 2 times: ids must be present and unique"),
        (["a", None, None], "is null in 2 rows: ids"),
        (["a", "a", "b", "b", "b"], "has 'b' 3 times (1 more such): ids"),
        ([f"{n // 2}" for n in range(20)], "2 times (at least 4 more such): ids"),
    ],
)
def test_ids_must_be_present_and_unique(
    make_manifest: MakeManifest, ids: list[str | None], message: str
) -> None:
    uri = make_manifest(id=ids, image_uri=["x"] * len(ids), prompt=["p"] * len(ids))
    assert message in refusal(uri)


def test_a_long_plan_is_cut_into_files_and_keeps_the_manifests_order(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    sizes = (3000, 1, 7000)
    names = [[f"{file}-{n}" for n in range(size)] for file, size in enumerate(sizes)]
    for file, ids in enumerate(names):
        make_manifest(
            f"all/{file}.parquet", id=ids, image_uri=["x"] * len(ids), prompt=["p"] * len(ids)
        )
    planner = Planner(recipe=recipe_with(), manifest=open_manifest(str(tmp_path / "all")))
    tables = list(planner.tables())
    assert [table.num_rows for table in tables] == [ROWS_PER_FILE, ROWS_PER_FILE, 1809]
    planned_ids = chain.from_iterable(table["sample_id"].to_pylist() for table in tables)
    assert list(planned_ids) == list(chain.from_iterable(names))


def test_a_manifest_that_selects_no_row_is_refused(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a"], image_uri=["x"], prompt=["p"])
    with pytest.raises(ValueError, match="selects no row: check --where and --limit"):
        planned(uri, where="false")


def test_where_and_limit_decide_what_is_planned(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a", "b", "c"], image_uri=["x"] * 3, prompt=["p"] * 3, n=[1, 2, 3])
    assert [row["id"] for row in planned(uri, where="n > 1", limit=1)] == ["b"]


def test_photographs_that_come_along_are_planned_by_their_content(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(id=["a", "b"], image=[b"one", b"two"], prompt=["p", "p"], seed=[1, 1])
    one, two = planned(uri)
    assert (one["image_uri"], one["image_input"]) == (None, b"one")
    assert one["fingerprint"] != two["fingerprint"]


@pytest.mark.parametrize(
    ("error", "retryable"),
    [(RowError(ErrorCode.STORAGE, "m"), False), (TransientError(ErrorCode.STORAGE, "m"), True)],
)
def test_an_error_as_a_value_fits_its_column(error: RowError, *, retryable: bool) -> None:
    value = error_value("fetch", error)
    assert pa.array([value], schema.ERROR_TYPE).to_pylist() == [
        {"stage": "fetch", "code": "storage", "message": "m", "retryable": retryable}
    ]


def test_a_row_may_ask_for_several_results_each_with_its_name_and_seed(
    make_manifest: MakeManifest,
) -> None:
    uri = make_manifest(
        id=["a", "b", "c"],
        image_uri=["1.jpg", "2.jpg", "3.jpg"],
        prompt=["oak shelf"] * 3,
        seed=[7, 7, 2**31 - 2],
        num_results=[None, 2, 3],
        placement=[None, "upper_left, fit", None],
    )
    rows = planned(uri)
    assert [(row["sample_id"], row["seed"]) for row in rows] == [
        ("a", 7),
        ("b/upper_left/1", 7),
        ("b/upper_left/2", 8),
        ("b/fit/1", 7),
        ("b/fit/2", 8),
        ("c/1", 2**31 - 2),
        ("c/2", 0),
        ("c/3", 1),
    ]
    assert len({row["fingerprint"] for row in rows}) == len(rows)


def test_the_recipe_says_what_rows_do_not(make_manifest: MakeManifest) -> None:
    uri = make_manifest(
        id=["a", "b"], image_uri=["1.jpg"] * 2, prompt=["oak"] * 2, margin=[None, 0.2]
    )
    rows = planned(uri, "brief.placement=automatic", "brief.margin=0.1")
    assert [len([r for r in rows if r["id"] == name]) for name in "ab"] == [10, 10]
    assert [rows[0]["shot"]["margin"], rows[-1]["shot"]["margin"]] == [0.1, 0.2]


def test_a_colour_comes_plain_then_recoloured_then_as_a_scene(make_manifest: MakeManifest) -> None:
    uri = make_manifest(
        id=["a"], image_uri=["1.jpg"], prompt=["a solid navy background"], num_results=[4]
    )
    rows = planned(uri)
    assert [row["shot"]["paint"] for row in rows] == ["plain", "recolored", "recolored", "scene"]
    assert {row["shot"]["background_color"] for row in rows} == {"#000080"}
    assert [row["prompt_origin"] for row in rows] == [
        "manifest",
        "solid_color",
        "solid_color",
        "manifest",
    ]
    assert "green" in rows[1]["prompt"]
    (scene,) = planned(uri, "brief.solid_colors=false", where="id = 'a'", limit=1)[:1]
    assert scene["shot"]["paint"] == "scene"


def test_a_background_colour_needs_no_prompt(make_manifest: MakeManifest) -> None:
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], background_color=["Ivory"])
    (row,) = planned(uri)
    assert (row["error"], row["prompt_origin"]) == (None, "background_color")
    assert (row["shot"]["paint"], row["shot"]["background_color"]) == ("plain", "#fffff0")


def test_a_bad_value_costs_its_row_and_names_its_column(make_manifest: MakeManifest) -> None:
    uri = make_manifest(
        id=["a", "b", "c"],
        image_uri=["1.jpg"] * 3,
        prompt=["oak"] * 3,
        num_results=[1.0, 2.5, 99.0],
    )
    good, half, many = planned(uri)
    assert good["error"] is None
    for row in (half, many):
        assert row["sample_id"] == row["id"]
        assert row["error"]["code"] == "bad_request"
        assert row["error"]["message"].startswith("num_results: ")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("num_results", ["two"]),
        ("placement", [3]),
        ("placement", [[3]]),
        ("keep_cropped_edges", ["yes"]),
        ("margin", ["0.1"]),
        ("aspect_ratio", [1.5]),
    ],
)
def test_a_column_of_the_wrong_type_is_refused_at_once(
    make_manifest: MakeManifest, name: str, values: list[Any]
) -> None:
    uri = make_manifest(id=["a"], image_uri=["1.jpg"], prompt=["oak"], **{name: values})
    assert f"column {name!r} must be " in refusal(uri)
    assert planned(uri, f"ignore_columns=[{name}]")[0]["error"] is None


@pytest.mark.parametrize("other", ["/1", "/upper_left", "/upper_left/2", "/box:1,2,3,4"])
@pytest.mark.parametrize("one", ["a", "", "a/b", "a\nb", "\r\n", "a\0", "ü"])
def test_ids_that_could_be_those_of_results_are_refused(
    make_manifest: MakeManifest, one: str, other: str
) -> None:
    columns = {"id": [one, one + other], "image_uri": ["1.jpg"] * 2, "prompt": ["oak"] * 2}
    planned(make_manifest("plain.parquet", **columns))
    uri = make_manifest(**columns, num_results=[2, 1])
    assert f"has {one!r} and {one + other!r}" in refusal(uri)


def test_ids_with_strokes_are_fine_when_none_is_a_result_of_another(
    make_manifest: MakeManifest,
) -> None:
    ids = ["shoes/1", "shoes/2", "a/b c", "a"]
    uri = make_manifest(
        id=ids, image_uri=["1.jpg"] * 4, prompt=["oak"] * 4, num_results=[1, 2, 1, 1]
    )
    assert len(planned(uri)) == 5


def test_text_columns_of_a_csv_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(
        "id,image_uri,prompt,background_color,aspect_ratio,placement,num_results,keep_cropped_edges\n"
        "a,1.jpg,oak,000000,4:05,,,\n"
        'b,2.jpg,oak,,,"upper_left, fit",2,true\n'
    )
    first, *rest = planned(str(path))
    assert first["shot"]["background_color"] == "#000000"
    assert first["shot"]["aspect_ratio"] == "4:05"
    assert len(rest) == 4
    assert all(row["shot"]["keep_cropped_edges"] for row in rest)
