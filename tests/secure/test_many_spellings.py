"""Files of one batch: each is held once, however it is spelled, and no more than there is room."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import schema, storage
from pipeline.engine.pools import Pool
from pipeline.engine.stage import Resources, Stage
from pipeline.engine.strikes import Strikes
from pipeline.engine.worker import PoolWorker, StageWorker, Work
from pipeline.errors import FatalError, Postponed, RowError
from pipeline.imaging.reading.limits import ImageLimits
from pipeline.stages.fetch import FetchConfig, FetchMapper, fetch
from pipeline.stages.wrappers.shared_work import once_per_source
from pipeline.storage import Fetched, PhotoReader
from pipeline.storage.web.downloads import WebReader
from tests.secure.slow_server import SlowServer

SIZE = 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for n in range(12):
        (tmp_path / "a" / f"{n}.jpg").write_bytes(bytes([n]) * SIZE)
    return tmp_path


def row(uri: str, *, mask: str | None = None, references: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "image_uri": uri,
        "image_input": None,
        "mask_uri": mask,
        "reference_uris": list(references),
    }


def bytes_of(outcomes: list[Any]) -> list[bytes]:
    assert not any(isinstance(outcome, RowError) for outcome in outcomes), outcomes
    return [outcome["image_bytes"] for outcome in outcomes]


def test_a_file_that_is_spelled_in_many_ways_is_held_once(folder: Path) -> None:
    spelled = [f"{folder}/{'./' * n}a{'/' * (1 + n % 5)}0.jpg" for n in range(64)]
    rows = [row(uri, mask=uri.replace("/a/", "/.//a/")) for uri in spelled]
    rows += [row(f"file://{folder}/./a/0.jpg", references=(spelled[3], spelled[4]))]
    outcomes = FetchMapper(FetchConfig(), root=str(folder)).map_batch(rows)
    held = {id(data) for data in bytes_of(outcomes)}
    held |= {id(outcome["mask_bytes"]) for outcome in outcomes if outcome["mask_bytes"]}
    held |= {id(data) for outcome in outcomes for data in outcome["reference_bytes"]}
    assert len(held) == 1


def test_keys_of_objects_and_urls_are_taken_to_the_letter(
    server: SlowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    async def note(_: WebReader, uri: str, **__: object) -> Fetched:
        asked.append(uri)
        return Fetched(uri.encode(), 0)

    monkeypatch.setattr(WebReader, "get", note)
    monkeypatch.setattr(storage.photographs.fetching.S3, "get", _no_object(asked))
    reader = PhotoReader(_policy(server), root="s3://shop/a", max_bytes=SIZE)
    webbed = [f"{server.root}/good/{path}" for path in ("x", "./x", "/x", "x")]
    reader.read_many([*webbed, "s3://shop/a/x", "s3://shop/a//x", "s3://shop/a/./x"])
    assert asked[:3] == webbed[:3]  # and the fourth is the first
    assert {"s3://shop/a/x", "s3://shop/a//x", "s3://shop/a/./x"} <= set(asked)


def _no_object(asked: list[str]) -> Any:
    async def get(_: object, uri: str, **__: object) -> None:
        asked.append(uri)
        raise FileNotFoundError(uri)

    return get


def _policy(server: SlowServer, **more: Any) -> FetchConfig:
    return FetchConfig(
        allowed_schemes=("http", "s3"),
        allowed_hosts=(server.host,),
        allow_private_addresses=True,
        **more,
    )


def test_the_first_rows_that_fit_are_read_and_the_others_put_off(folder: Path) -> None:
    names = [f"{folder}/a/{n}.jpg" for n in range(12)]
    mapper = FetchMapper(FetchConfig(batch_bytes=4 * SIZE), root=str(folder))
    rows = [row(name) for name in names]
    outcomes = mapper.map_batch(rows)
    assert bytes_of(outcomes[:4]) == [bytes([n]) * SIZE for n in range(4)]
    assert all(isinstance(outcome, Postponed) for outcome in outcomes[4:])
    # Masks and references count beside their photographs, and a file that several name counts once.
    with_masks = [row(names[n], mask=names[11 - n], references=(names[6],)) for n in range(3)]
    _, *others = mapper.map_batch(with_masks)
    assert all(isinstance(one, Postponed) for one in others)
    alike = [row(names[0], mask=names[1]) for _ in range(9)]
    assert len(bytes_of(mapper.map_batch(alike))) == 9
    # One that is larger than all the room goes alone, and one that fails takes none.
    small = FetchMapper(FetchConfig(batch_bytes=1), root=str(folder))
    gone = row(f"{folder}/a/none.jpg")
    first, missing, second = small.map_batch([rows[0], gone, rows[1]])
    assert first["image_bytes"] == bytes(SIZE)
    assert isinstance(missing, Postponed)
    assert isinstance(second, Postponed)


@pytest.mark.parametrize("kind", ["good", "large"])
def test_bodies_from_the_web_count_as_they_come(server: SlowServer, kind: str) -> None:
    size = 300_000
    uris = [f"{server.root}/large/{size}/{n}" for n in range(20)]
    reader = PhotoReader(_policy(server, concurrency=4), root=None, max_bytes=10**6)
    if kind == "good":  # all of them are small, so all fit
        uris = [f"{server.root}/good/{n}" for n in range(20)]
    found = reader.read_rows([[uri] for uri in uris], most_bytes=4 * size)
    assert len(found) == (20 if kind == "good" else 4)
    assert all(isinstance(one, Fetched) for (one,) in found)
    left = reader.read_rows([[uri] for uri in uris[len(found) :]], most_bytes=None)
    assert len(found) + len(left) == 20


@pytest.mark.secure
def test_slow_ones_hold_the_parts_of_a_batch_no_longer_than_all_of_it(server: SlowServer) -> None:
    policy = _policy(server, max_seconds=3.2, concurrency=16)
    reader = PhotoReader(policy, root=None, max_bytes=10**6)
    rows = [[f"{server.root}/{'drip' if n % 5 == 0 else 'large/1000'}/{n}"] for n in range(30)]
    late, parts, began = 0, 0, time.monotonic()
    while rows:
        found = reader.read_rows(rows, most_bytes=5000)
        parts, rows = parts + 1, rows[len(found) :]
        said = [str(one) for (one,) in found if isinstance(one, RowError)]
        late += sum("not read to the end" in text for text in said)
    assert late == 6
    assert parts > 3
    assert time.monotonic() - began < 2 * 3.2  # and not as often as there are parts


# Through the stages


def table_of(rows: list[Mapping[str, Any]], *, failed: frozenset[int] = frozenset()) -> pa.Table:
    errors = [
        {"stage": "plan", "code": "bad_request", "message": "x", "retryable": False}
        if number in failed
        else None
        for number in range(len(rows))
    ]
    columns = {
        "sample_id": pa.array([f"s{number}" for number in range(len(rows))]),
        "image_uri": pa.array([one["image_uri"] for one in rows]),
        "image_input": pa.nulls(len(rows), pa.binary()),
        "mask_uri": pa.array([one["mask_uri"] for one in rows], pa.string()),
        "reference_uris": pa.array([one["reference_uris"] for one in rows], pa.list_(pa.string())),
        "addresses": pa.nulls(len(rows), schema.ADDRESSES.type),
        "error": pa.array(errors, schema.ERROR_TYPE),
    }
    field = schema.timings(("fetch", "after"))
    table = pa.table(columns)
    return table.append_column(field, pa.array([{}] * len(rows), field.type))


def fetching(folder: Path, batch_bytes: int) -> Stage:
    return once_per_source(
        fetch(
            FetchConfig(batch_bytes=batch_bytes),
            Resources(pool="x"),
            root=str(folder),
            limits=ImageLimits(),
        ),
        by=("image_uri", "image_input", "mask_uri", "reference_uris"),
    )


class After:
    """A stage that notes what it is given at a time."""

    def __init__(self, seen: list[list[int]]) -> None:
        self._seen = seen

    def map_batch(self, rows: Any) -> list[Any]:
        self._seen.append([len(one["image_bytes"]) for one in rows])
        return [{"size": len(one["image_bytes"])} for one in rows]


def after(seen: list[list[int]]) -> Stage:
    return Stage(
        name="after",
        mapper=After,
        config=seen,
        reads=("image_bytes",),
        adds=pa.schema([pa.field("size", pa.int64())]),
        drops=("image_bytes",),
        batch_size=64,
        resources=Resources(pool="x"),
    )


def test_what_does_not_fit_goes_on_after_what_does_and_each_row_once_in_order(folder: Path) -> None:
    names = [f"{folder}/a/{n}.jpg" for n in range(12)]
    rows = [row(name) for name in names] + [row(f"{folder}/a/none.jpg")]
    table = table_of(rows, failed=frozenset({0, 5, 6}))
    seen: list[list[int]] = []
    pool = Pool(stages=(fetching(folder, 3 * SIZE), after(seen)), resources=Resources())
    out = pa.concat_tables(PoolWorker(Work(pool, Strikes(), 3))(table))
    assert out["sample_id"].to_pylist() == table["sample_id"].to_pylist()
    codes = [error and error["code"] for error in out["error"].to_pylist()]
    bad = ["bad_request" if number in (0, 5, 6) else None for number in range(12)]
    assert codes == [*bad, "not_found"]
    assert out["size"].to_pylist() == [None if code else SIZE for code in codes]
    assert seen == [[SIZE] * 3] * 3
    for one, code in zip(out["timings"].to_pylist(), codes, strict=True):
        assert code == "bad_request" or one["fetch_s"] > 0


def test_rows_that_share_a_photograph_are_read_once_and_held_as_columns_a_few_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[str]()
    really = PhotoReader._read_local

    def noting(reader: PhotoReader, uri: str, *place: Any) -> bytes:
        read.append(uri)
        return really(reader, uri, *place)

    monkeypatch.setattr(PhotoReader, "_read_local", noting)
    names = [f"{folder}/a/0.jpg"] * 7 + [f"{folder}/a/1.jpg"] * 2
    seen: list[list[int]] = []
    pool = Pool(stages=(fetching(folder, 3 * SIZE), after(seen)), resources=Resources())
    tables = list(PoolWorker(Work(pool, Strikes(), 3))(table_of([row(n) for n in names])))
    assert [table.num_rows for table in tables] == [3, 3, 3]
    assert len(read) == 2


def test_after_a_death_rows_go_one_by_one_within_the_same_room_and_keep_their_strikes(
    folder: Path,
) -> None:
    book = Strikes()
    ids = [f"s{number}" for number in range(8)]
    book.begin("fetch", ids, suspects=False)  # and the worker died
    book.begin("fetch", ids[-1:], suspects=True)
    book.begin("fetch", ids[-1:], suspects=True)  # and twice more, with the last
    worker = StageWorker(fetching(folder, 3 * SIZE), book, 3)
    rows = [row(f"{folder}/a/{number}.jpg") for number in range(8)]
    parts = list(worker.parts(table_of(rows)))
    assert [part.num_rows for part in parts] == [3, 3, 2]
    errors = pa.concat_tables(parts)["error"].to_pylist()
    assert [error and error["code"] for error in errors] == [None] * 7 + ["killed_worker"]


def test_a_mapper_that_puts_off_its_first_row_is_a_fault_of_ours() -> None:
    class Idle:
        def __init__(self, _: object) -> None:
            """It does nothing."""

        def map_batch(self, rows: Any) -> list[Any]:
            return [Postponed() for _ in rows]

    idle = Stage(name="idle", mapper=Idle, config=None, reads=("image_uri",), adds=pa.schema([]))
    with pytest.raises(FatalError, match="put off the first"):
        StageWorker(idle, Strikes(), 3)(table_of([row("a")]))
