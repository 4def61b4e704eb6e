"""`--untrusted`: the manifest of a stranger is held to the strictest limits, each of them named."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.commands.app import app
from jobs.previews.dry_run import dry_run
from jobs.remote.submission import submission
from pipeline import flow
from pipeline.errors import ErrorCode, RowError
from pipeline.flow import stages
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.planning.untrusted import STRICTEST, limited, reason, refusing
from pipeline.recipe import Recipe, parse_recipe
from pipeline.runs import driver
from pipeline.runs.earlier_runs import settled
from pipeline.runs.identity import Request
from pipeline.runs.run_config import RunConfig, find_run, prepare
from pipeline.runs.run_folder import open_ledger
from pipeline.stages.wrappers.stricter_limits import MARK
from tests.conftest import MakeManifest
from tests.flow.drivers import ALONE, backlot
from tests.flow.pictures import with_alpha
from tests.small_s3 import SmallS3
from tests.unit.past import as_finished, past_run

OPEN = (
    "fetch.allowed_schemes=[file, https, http]",
    "fetch.allowed_hosts=[127.0.0.1, 'cdn.example.com:8443']",
    "fetch.allow_private_addresses=true",
)
NARROW = (
    "fetch.max_bytes=9",
    "input.max_bytes=9",
    "input.max_megapixels=3",
    "budget.max_row_seconds=9",
)


def recipe(*overrides: str) -> Recipe:
    return parse_recipe("name: plain", overrides=["prompt.default=oak", *overrides], source="test")


@pytest.fixture
def config(make_manifest: MakeManifest, tmp_path: Path) -> RunConfig:
    manifest = make_manifest(id=["a", "b"], image_uri=["1.jpg", "2.jpg"])
    return RunConfig(recipe=recipe(), manifest=manifest, output=str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("manifest", "output", "why"),
    [
        ("/data/m.csv", "/data/out", None),
        ("/data/m.csv", "s3://shop/out", None),
        ("s3://shop/in/m.csv", "s3://shop/out", None),
        ("s3://shop-feeds/in/m.csv", "s3://shop/out", "of another bucket"),
        ("s3://shop/in/m.csv", "/data/out", "of a bucket"),
        ("https://supplier.example/m.csv", "s3://shop/out", "over https"),
    ],
)
def test_whose_manifest_is_taken_for_a_strangers(
    manifest: str, output: str, why: str | None
) -> None:
    found = reason(manifest, output)
    assert (found is None) if why is None else (why in (found or ""))
    for asked in (True, False):
        config = RunConfig(recipe=recipe(), manifest=manifest, output=output, untrusted=asked)
        assert (config.why_untrusted is not None) is asked


def test_only_what_is_stricter_than_the_recipe_changes_and_no_identity_does(
    config: RunConfig,
) -> None:
    held = limited(recipe(*OPEN, "input.max_megapixels=3"))
    assert held.fetch.allowed_schemes == ("file", "https")
    assert held.fetch.allowed_hosts == ("127.0.0.1",)
    assert not held.fetch.allow_private_addresses
    assert held.fetch.max_bytes == STRICTEST.max_bytes
    assert held.input.max_megapixels == 3
    assert held.budget.max_row_seconds == STRICTEST.max_row_seconds
    quick = stages(recipe(), open_manifest(config.manifest), "/x/run_id=y", untrusted=True)
    assert [stage.slow_mark for stage in quick] == [MARK] * len(quick)
    assert not refusing(recipe(*NARROW))
    (trusted, asked), (stranger, _) = (
        prepare(RunConfig(recipe=config.recipe, manifest=config.manifest, output=config.output)),
        prepare(
            RunConfig(
                recipe=config.recipe,
                manifest=config.manifest,
                output=config.output,
                untrusted=True,
            )
        ),
    )
    assert not asked.untrusted
    assert [table.to_pylist() for table in trusted.tables()] == [
        table.to_pylist() for table in stranger.tables()
    ]


def fetched(recipe: Recipe, uri: str, root: str) -> RowError:
    manifest = open_manifest(f"{root}/manifest.parquet")
    stage = stages(recipe, manifest, "/nowhere/run_id=x", untrusted=True)[0]
    row = {"image_uri": uri, "image_input": None, "mask_uri": None, "reference_uris": []}
    (outcome,) = stage.mapper(stage.config).map_batch([row])
    assert isinstance(outcome, RowError)
    return outcome


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9/a.jpg", "scheme 'http' of image_uri is not in"),
        ("https://127.0.0.1/a.jpg", "is not a public address"),
        ("https://cdn.example.com:8443/a.jpg", "fetch.allowed_hosts"),
    ],
)
def test_an_address_that_the_recipe_would_allow_is_refused_by_name(
    config: RunConfig, uri: str, said: str
) -> None:
    root = str(Path(config.manifest).parent)
    refused = fetched(recipe(*OPEN), uri, root)
    assert refused.code is ErrorCode.URI_NOT_ALLOWED
    assert said in refused.message
    assert refused.message.endswith(MARK)
    # What the recipe refuses by itself is not put down to the mode.
    assert not fetched(recipe(), "https://other.example/a.jpg", root).message.endswith(MARK)


def test_a_file_that_the_recipe_would_take_is_refused_with_the_limit(config: RunConfig) -> None:
    place = Path(config.manifest).parent / "1.jpg"
    with place.open("wb") as file:
        file.truncate(STRICTEST.max_bytes + 1)  # sparse: it takes no room
    refused = fetched(recipe(), str(place), str(place.parent))
    assert refused.code is ErrorCode.TOO_MANY_BYTES
    assert f"at most {STRICTEST.max_bytes} accepted{MARK}" in refused.message


def test_a_row_asks_for_so_many_pictures_and_no_more(make_manifest: MakeManifest) -> None:
    manifest = open_manifest(
        make_manifest(
            id=["a", "b"],
            image_uri=["1.jpg"] * 2,
            num_results=[12, 2],
            placement=["fit", "automatic"],
        )
    )

    def planned(*, untrusted: bool) -> list[Mapping[str, Any]]:
        planner = Planner(recipe=recipe(), manifest=manifest, untrusted=untrusted)
        return [row for table in planner.tables() for row in table.to_pylist()]

    assert len(planned(untrusted=False)) == 12 + 20
    *good, refused = planned(untrusted=True)
    assert len(good) == 12
    assert refused["error"]["code"] == "bad_request"
    assert f"ask for 20 pictures, at most 12 of a row are made{MARK}" in refused["error"]["message"]


def test_the_mode_is_part_of_the_request_and_the_same_command_goes_on(config: RunConfig) -> None:
    document = past_run(config.output, "old", config.manifest, recipe=config.recipe, finished=False)
    asked = json.loads(Path(document.uri, "run.json").read_text())["request"]
    assert "untrusted" not in asked  # as earlier versions have written it
    planner, request = prepare(config)
    assert find_run(config, request, planner).uri == document.uri
    stranger = RunConfig(
        recipe=config.recipe, manifest=config.manifest, output=config.output, untrusted=True
    )
    planner, request = prepare(stranger)
    assert find_run(stranger, request, planner).ledger is None
    assert request.as_json() == {**asked, "untrusted": True}
    with pytest.raises(ValueError, match="started with another untrusted"):
        open_ledger(document.uri, request=Request(**request.as_json()))


def test_a_run_works_with_the_stricter_budget_and_writes_the_mode_down(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict[str, Any]()

    def execute(units: Any, read: Any, _: Any, write: Any, **options: Any) -> Iterator[str]:
        given.update(options)
        for unit in units:
            yield write(as_finished(read(unit), write.run_uri, {}))

    monkeypatch.setattr(driver, "execute", execute)
    monkeypatch.setattr(driver, "check_capacity", lambda _: None)
    monkeypatch.setattr(driver, "block_rows", lambda _: 64)
    report = flow.run(replace(config, untrusted=True), on_progress=lambda *_: None)
    assert given["max_row_seconds"] == STRICTEST.max_row_seconds
    document = json.loads(Path(report.run_uri, "run.json").read_text())
    assert document["request"]["untrusted"] is True
    assert document["recipe"]["budget"]["max_row_seconds"] > STRICTEST.max_row_seconds
    again = flow.run(replace(config, untrusted=True), on_progress=lambda *_: None)
    assert (again.run_uri, again.outcome) == (report.run_uri, "unchanged")


def test_what_the_mode_has_refused_a_trusted_night_takes_up(config: RunConfig) -> None:
    refused = {"a": RowError(ErrorCode.TOO_MANY_PIXELS, f"48 megapixels, at most 40{MARK}")}
    past_run(config.output, "one", config.manifest, refused, recipe=config.recipe)
    assert len(settled(config.output, untrusted=True).fingerprints) == 2
    assert len(settled(config.output).fingerprints) == 1


def test_one_line_says_which_limits_hold_and_why(
    config: RunConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = RunConfig(
        recipe=config.recipe, manifest=config.manifest, output=config.output, untrusted=True
    )
    dry_run(stranger)
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "--untrusted" in one]
    assert "at most 32 MiB and 40 megapixels a photograph; 12 pictures a row" in line
    assert line.endswith("(--trusted lifts it)")
    dry_run(config)
    assert "--untrusted" not in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--untrusted", "--trusted"])
def test_a_job_is_handed_in_with_the_mode_that_was_asked_for(config: RunConfig, flag: str) -> None:
    import typer

    command = typer.main.get_command(app)

    def parse(name: str, arguments: list[str]) -> Mapping[str, Any]:
        sub = command.commands[name]  # type: ignore[attr-defined]
        return dict(sub.make_context(name, arguments).params)

    arguments = ["run", "studio", "--manifest", config.manifest, "--output", config.output, flag]
    sent = submission([*arguments, "--set", "prompt.default=oak"], parse=parse, with_code=False)
    assert flag in sent.command


NUM_GOOD = 2


@pytest.mark.secure
@pytest.mark.ray
def test_a_strangers_manifest_from_bucket_to_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same feed by default and with --trusted; and the same command again."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for name, value in {**keys, "AWS_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"memory": 256 * 2**30}))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    wide = BytesIO()
    Image.new("L", (8000, 6000), 200).save(wide, "PNG")
    rows = [{"id": f"good-{n}", "image_uri": f"good/{n}.png"} for n in range(NUM_GOOD)]
    rows += [
        {"id": "wide", "image_uri": "wide.png"},
        {"id": "twin", "image_uri": "s3://supplier/feed-other/1.png"},
        {"id": "tenant", "image_uri": "s3://tenant-b/private/1.png"},
        {"id": "own", "image_uri": "s3://shop/private/1.png"},
    ]
    sheet = StringIO()
    writer = csv.DictWriter(sheet, ["id", "image_uri", "prompt"])
    writer.writeheader()
    writer.writerows({**row, "prompt": "oak table"} for row in rows)
    with SmallS3() as store:
        for number in range(NUM_GOOD):
            store.put(f"supplier/feed/good/{number}.png", with_alpha(shift_px=number))
        for address in (
            "supplier/feed-other/1.png",
            "tenant-b/private/1.png",
            "shop/private/1.png",
        ):
            store.put(address, with_alpha())
        store.put("supplier/feed/wide.png", wide.getvalue())
        store.put("supplier/feed/m.csv", sheet.getvalue().encode())
        command = ["run", "studio", "--manifest", "s3://supplier/feed/m.csv"]
        command += ["--output", "s3://shop/out", "--set", "budget.max_failures=9", *ALONE]

        first = backlot(store.url, *command)
        assert first.returncode == 0, first.stderr[-3000:]
        assert "the manifest is of another bucket than the dataset: --untrusted holds" in (
            first.stderr + first.stdout
        )
        errors = results(store)
        assert [id_ for id_, error in errors.items() if error is None] == ["good-0", "good-1"]
        assert errors["wide"]["code"] == "too_many_pixels"
        assert errors["wide"]["message"].endswith(f"at most 40 megapixels are accepted{MARK}")
        for id_, entry in {
            "twin": "s3://supplier/feed-other/",
            "tenant": "s3://tenant-b/private/",
            "own": "s3://shop/private/",
        }.items():
            assert errors[id_]["code"] == "uri_not_allowed"
            assert f"add {entry} to fetch.allowed_prefixes" in errors[id_]["message"]
        asked = {address for _, address, _ in store.seen}
        assert asked.isdisjoint(
            {"supplier/feed-other/1.png", "tenant-b/private/1.png", "shop/private/1.png"}
        )
        assert not any(address.startswith("tenant-b") for address in asked)

        again = backlot(store.url, *command)
        assert again.returncode == 0
        assert "nothing to do" in again.stdout
        trusted = backlot(store.url, *command, "--trusted", "--run-id", "trusted", "--dry-run")
        assert trusted.returncode == 0, trusted.stderr[-3000:]
        assert "--untrusted" not in trusted.stdout + trusted.stderr


def results(store: SmallS3) -> dict[str, Any]:
    """What became of every row, by id."""
    found: dict[str, Any] = {}
    for address, kept in store.objects.items():
        if address.startswith("shop/out/run_id=") and address.endswith(".parquet"):
            table = pq.read_table(BytesIO(kept.data), columns=["id", "error"])
            found |= {row["id"]: row["error"] for row in table.to_pylist()}
    return dict(sorted(found.items()))
