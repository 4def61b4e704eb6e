"""What opens a door stands nowhere: not in a plan, a result, a report, a log, a message or a job.

The whole run is searched for planted secrets of every kind, after rows that came out and rows that
did not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from jobs.cli import main
from jobs.commands.app import app
from jobs.commands.on_a_cluster import parser
from jobs.remote import ray_jobs as remote
from jobs.remote.submission import submission
from pipeline import storage
from pipeline.manifest.reader import open_manifest
from pipeline.planning.planner import Planner
from pipeline.recipe import Recipe
from pipeline.runs.reselect import choose, write_manifest
from pipeline.runs.run_config import RunConfig, prepare
from pipeline.runs.run_folder import Ledger, Origin, open_ledger, read_unit, start_ledger
from pipeline.runs.seen_photographs import SeenBefore
from pipeline.storage.uris import without_secrets
from tests.certificates import write_chain
from tests.conftest import MakeManifest
from tests.unit.past import past_run

CDN = "https://cdn.example.com"
SIGNED = "X-Amz-Date=20261128T000000Z&X-Amz-Signature=hunter2"
WEB = {"fetch": {"allowed_schemes": ["s3", "file", "https", "http"], "versions": "none"}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CDN}/a.jpg?w=200&{SIGNED}", f"{CDN}/a.jpg"),
        (f"https://me:hunter2@cdn.example.com/a.jpg?{SIGNED}", f"{CDN}/a.jpg"),
        (f"https://AKIA:hun/ter2@cdn.example.com/a.jpg#{SIGNED}", f"{CDN}/a.jpg"),
        ("s3://AKIA:hunter2@catalog/a?b.jpg", "s3://catalog/a?b.jpg"),
        ("s3://AKIA:hun/ter2+x@catalog/a.jpg", "s3://catalog/a.jpg"),
        ("https://cdn.example.com:8443/a@2x.jpg", "https://cdn.example.com:8443/a@2x.jpg"),
        ("s3://catalog/a@2x:b.jpg", "s3://catalog/a@2x:b.jpg"),
        ("/data/what?@2x:y.jpg", "/data/what?@2x:y.jpg"),
    ],
)
def test_one_door_hides_what_is_secret(text: str, shown: str) -> None:
    assert without_secrets(text) == storage.shown(text) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:hunter2@cdn.example.com/a.jpg",
        "https://hunter2@cdn.example.com/a.jpg",
        "https://AKIA:hun/ter2@cdn.example.com/a.jpg",
        "http://me:hunter2@127.0.0.1/a.jpg",
        "s3://AKIA:hunter2@catalog/a.jpg",
        "s3://AKIA:hun/ter2@catalog/a.jpg",
        "ftp://me:hunter2@cdn.example.com/a.jpg",
        "//me:hunter2@cdn.example.com/a.jpg",
    ],
)
@pytest.mark.parametrize("column", ["image_uri", "mask_uri", "reference_uri"])
def test_whoever_is_named_before_an_at_sign_is_refused_unquoted(
    make_manifest: MakeManifest, uri: str, column: str
) -> None:
    columns = {"image_uri": [f"{CDN}/a.jpg"], **{column: [uri]}}
    (row,) = planned(make_manifest(id=["a"], prompt=["sand"], **columns))
    assert row["error"]["code"] == "bad_request"
    assert row["error"]["message"].startswith(column)
    assert "ter2" not in str(row)


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (f"w=200&{SIGNED}", "?w=200"),
        (SIGNED, ""),
        ("x-goog-signature=1&X-Goog-Date=2", ""),
        ("Expires=1&Signature=x&Key-Pair-Id=K", ""),
        ("Policy=p&Signature=x&Key-Pair-Id=K&v=3", "?v=3"),
        ("AWSAccessKeyId=A&Expires=1&Signature=x", ""),
        ("GoogleAccessId=A&Expires=1&Signature=x", ""),
        ("sv=2024&se=2026&sr=b&sp=r&sig=x&snapshot=7", "?snapshot=7"),
        ("id=7&token=x", "?id=7&token=x"),
        ("se=left&sp=up", "?se=left&sp=up"),
        ("signature=oak", "?signature=oak"),
    ],
)
def test_a_signature_is_no_part_of_what_an_address_names(query: str, left: str) -> None:
    assert storage.unsigned(f"{CDN}/a.jpg?{query}") == f"{CDN}/a.jpg{left}"


@given(st.text(min_size=1), st.sampled_from(["https://h/a", "http://h/", "HTTPS://h/?x"]))
def test_no_query_is_kept_and_all_that_is_kept_is_told_apart(query: str, base: str) -> None:
    kept = storage.withheld(f"{base}?{query}")
    assert storage.is_withheld(kept)
    assert storage.withheld(kept) == kept
    assert kept.partition("?")[2].partition("=")[0] == "withheld"
    assert kept != storage.withheld(f"{base}?{query}&other")


def planned(manifest: str, *, recipe: Recipe | None = None) -> list[dict[str, Any]]:
    planner = Planner(recipe=recipe or web_recipe(), manifest=open_manifest(manifest))
    return [row for table in planner.tables() for row in table.to_pylist()]


def web_recipe(**more: Any) -> Recipe:
    return Recipe.model_validate({"name": "web", **WEB, **more})


def test_a_row_is_the_same_row_however_its_link_is_signed(make_manifest: MakeManifest) -> None:
    def prints(**columns: str) -> list[str]:
        made = {"id": ["a"], "prompt": ["sand"], **{name: [uri] for name, uri in columns.items()}}
        return [row["fingerprint"] for row in planned(make_manifest(**made))]

    once = prints(image_uri=f"{CDN}/a?id=7&{SIGNED}", mask_uri=f"{CDN}/m?{SIGNED}")
    again = SIGNED.replace("hunter2", "hunter3")
    assert once == prints(image_uri=f"{CDN}/a?id=7&{again}", mask_uri=f"{CDN}/m?{again}")
    assert once != prints(image_uri=f"{CDN}/a?id=8&{again}", mask_uri=f"{CDN}/m?{again}")
    assert once != prints(image_uri=f"{CDN}/a?id=7&{again}", mask_uri=f"{CDN}/n?{again}")


# --- a plan, a run that goes on, and one of chosen rows -----------------------------------------


@pytest.fixture
def signed(make_manifest: MakeManifest) -> str:
    return write_signed(make_manifest, "hunter2")


def write_signed(make_manifest: MakeManifest, secret: str, *, ids: str = "abc") -> str:
    query = SIGNED.replace("hunter2", secret)
    return make_manifest(
        id=[*ids, "plain"],
        prompt=["sand"] * (len(ids) + 1),
        image_uri=[*(f"{CDN}/{id_}.jpg?w=1&amp;h=2&{query}" for id_ in ids), f"{CDN}/plain.jpg"],
        mask_uri=[*(f"{CDN}/{id_}.png?{query}" for id_ in ids), None],
        reference_uri=[*([f"{CDN}/r.jpg?{query}"] for _ in ids), None],
    )


def begun(manifest: str, output: Path) -> tuple[Planner, Ledger]:
    config = RunConfig(recipe=web_recipe(), manifest=manifest, output=str(output))
    planner, request = prepare(config)
    uri = f"{output}/run_id=one"
    return planner, start_ledger(uri, request=request, recipe=config.recipe, planner=planner)


def fetched_by(ledger: Ledger) -> dict[str, dict[str, str]]:
    """The whole addresses that workers are given, by row."""
    units = ledger.addressed(ledger.pending([], rows_per_block=3))
    tables = [read_unit(ledger.uri, unit) for unit in units]
    rows = [row for table in tables for row in table.to_pylist()]
    return {row["id"]: dict(row["addresses"] or ()) for row in rows}


def found_below(folder: Path, *secrets: str) -> Counter[str]:
    """How often secrets stand in files, by secret and file; Parquet is unpacked."""
    found = Counter[str]()
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        texts = [path.read_bytes()]
        if path.suffix in (".parquet", ".pq"):
            table = pq.read_table(path)
            texts.append(repr([table.schema, table.to_pylist()]).encode())
        for secret in secrets:
            count = sum(text.count(secret.encode()) for text in texts)
            if count:
                found[f"{secret} in {path.relative_to(folder)}"] += count
    return found


def test_a_plan_has_no_signature_and_workers_have_all(signed: str, tmp_path: Path) -> None:
    _, ledger = begun(signed, tmp_path / "out")
    assert not found_below(tmp_path / "out", "hunter2", "X-Amz")
    assert "hunter2" not in repr(ledger)
    asked = fetched_by(ledger)
    assert asked["plain"] == {}
    for row in "abc":
        assert sorted(asked[row].values()) == [
            f"{CDN}/{row}.jpg?w=1&amp;h=2&{SIGNED}",
            f"{CDN}/{row}.png?{SIGNED}",
            f"{CDN}/r.jpg?{SIGNED}",
        ]
    assert ledger.num_withheld == 3


def test_a_run_that_goes_on_takes_the_signatures_of_now(
    make_manifest: MakeManifest, signed: str, tmp_path: Path
) -> None:
    planner, ledger = begun(signed, tmp_path / "out")
    write_signed(make_manifest, "renewed", ids="ab")  # over the first, without c
    again = open_ledger(
        ledger.uri, request=prepare(RunConfig(
            recipe=web_recipe(), manifest=signed, output=str(tmp_path / "out")
        ))[1],
    )  # fmt: skip
    assert again is not None
    assert not again.addresses
    planner = Planner(recipe=web_recipe(), manifest=open_manifest(signed))
    whole = again.with_addresses(planner, again.pending([], rows_per_block=3))
    asked = fetched_by(whole)
    assert f"{CDN}/a.jpg?w=1&amp;h=2&{SIGNED.replace('hunter2', 'renewed')}" in asked["a"].values()
    # Of what the manifest does not have any more, the common reference alone is known.
    assert set(asked["c"].values()) == {f"{CDN}/r.jpg?{SIGNED.replace('hunter2', 'renewed')}"}


def test_what_is_kept_of_an_address_is_never_asked_for() -> None:
    kept = storage.withheld(f"{CDN}/a.jpg?{SIGNED}")
    policy = storage.ReadPolicy(allowed_schemes=("https",), allowed_hosts=("cdn.example.com",))
    (outcome,) = storage.PhotoReader(policy, root=None, max_bytes=10).read_many([kept])
    assert isinstance(outcome, Exception)
    assert outcome.code == "not_found"
    assert outcome.retryable
    assert "the next run takes the row up" in str(outcome)


def test_a_manifest_cannot_name_what_others_withheld(make_manifest: MakeManifest) -> None:
    kept = storage.withheld(f"{CDN}/a.jpg?{SIGNED}")
    rows = planned(
        make_manifest(id=["a", "b"], prompt=["x"] * 2, image_uri=[kept, f"{CDN}/a.jpg?{SIGNED}"])
    )
    assert [row["error"] and row["error"]["code"] for row in rows] == ["not_found", None]


def test_a_plan_of_an_earlier_version_leaves_no_signature_in_results(
    signed: str, tmp_path: Path
) -> None:
    _, ledger = begun(signed, tmp_path / "out")
    (file,) = (Path(ledger.uri) / "_plan").iterdir()
    table = pq.read_table(file)
    uris = [f"{CDN}/{row}.jpg?{SIGNED}" for row in table["id"].to_pylist()]
    index = table.schema.get_field_index("image_uri")
    pq.write_table(table.set_column(index, table.schema.field(index), [uris]), file)
    (unit,) = ledger.pending([], rows_per_block=64)
    for row, uri in zip(read_unit(ledger.uri, unit).to_pylist(), uris, strict=True):
        assert row["image_uri"] == storage.withheld(uri)
        assert dict(row["addresses"])[row["image_uri"]] == uri


def test_versions_seen_before_are_found_by_what_is_kept(signed: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    past_run(output, "one", signed, recipe=web_recipe())
    assert not found_below(tmp_path / "out", "hunter2")
    asked = list[str]()

    def seen(uris: Any) -> Mapping[str, str]:
        asked.extend(uris)
        return SeenBefore(output)(uris)

    planner = Planner(recipe=web_recipe(), manifest=open_manifest(signed), seen_before=seen)
    list(planner.tables())
    assert storage.withheld(f"{CDN}/a.png?{SIGNED}") in asked


def test_chosen_rows_are_made_again_with_whole_addresses(signed: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    past_run(output, "one", signed, recipe=web_recipe())
    parents, condition = ("one",), "id IN ('a', 'plain')"
    for run_id in ("two", "three"):  # of rows that were made again, too
        chosen = choose(output, condition)
        assert chosen is not None
        folder = f"{output}/run_id={run_id}/_manifest"
        write_manifest(
            chosen, folder, used=["id", "image_uri", "mask_uri", "reference_uri", "prompt"]
        )
        assert not found_below(tmp_path / "out", "hunter2", "X-Amz")
        origin = Origin(parent=parents, condition=condition, image_root=chosen.image_root)
        config = RunConfig(
            recipe=web_recipe(), manifest=folder, output=output, run_id=run_id, origin=origin
        )
        for asked in (config, replace(config, taken_from=signed)):
            planner, _ = prepare(asked)
            rows = [row for table in planner.tables() for row in table.to_pylist()]
            assert [row["error"] for row in rows] == [None, None]
            assert len(dict(rows[0]["addresses"])) == 3
            assert all("hunter2" in uri for uri in dict(rows[0]["addresses"]).values())
        past_run(output, run_id, folder, recipe=web_recipe(), origin=origin)
        parents = (run_id,)


def test_a_link_with_a_password_is_none_in_a_manifest_of_chosen_rows(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    uris = [
        "https://me:hunter2@cdn.example.com/a.jpg",
        "s3://AKIA:hun/ter2@x/a.jpg",
        "gs://a?hunter2",
    ]
    manifest = make_manifest(id=["a", "b", "c"], prompt=["x"] * 3, image_uri=uris)
    output = str(tmp_path / "out")
    past_run(output, "one", manifest, recipe=web_recipe())
    chosen = choose(output, "true")
    assert chosen is not None
    write_manifest(chosen, f"{output}/run_id=two/_manifest", used=["id", "image_uri", "prompt"])
    assert not found_below(tmp_path / "out", "ter2")
    again = planned(f"{output}/run_id=two/_manifest")
    assert [row["error"]["code"] for row in again] == ["bad_request"] * 3


@pytest.mark.parametrize("place", ["s3://AKIA:hun/ter2@shop/x", "https://me:hunter2@h/x?ter2"])
def test_places_on_the_command_line_are_not_quoted(
    place: str, tmp_path: Path, signed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--output", str(tmp_path / "out")]
    for command in (
        ["run", "studio", "--manifest", place, *asked],
        ["run", "studio", "--manifest", signed, "--output", place],
        ["verify", place],
        ["current", place],
        ["report", place],
        ["reprocess", place, "--where", "true", "--manifest", signed, "--recipe", "studio"],
        ["validate", place, "--channel", "shopify"],
        ["inspect", place],
    ):
        assert main(command) in (1, 2), command
        said = "".join(capsys.readouterr())
        assert "ter2" not in said, command
        assert "AKIA" not in said, command


# --- a job, and a whole run ---------------------------------------------------------------------

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRETOFTESTS",
    "AWS_SECRET_ACCESS_KEY": "secret-of-aws",
    "AWS_SESSION_TOKEN": "secret-session-of-aws",
    "BACKLOT_ENDPOINT_API_KEY": "secret-of-the-endpoint",
    "RAY_AUTH_TOKEN": "5ec2e7" * 10,
}
"""In the environment of whoever gives a command."""


class FakeJobs:
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.handed: list[dict[str, Any]] = []

    def list_jobs(self) -> list[SimpleNamespace]:
        return []

    def submit_job(self, **job: Any) -> str:
        self.handed.append(job)
        return str(job["submission_id"])


def test_a_job_carries_no_secret(
    signed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\n")
    asked = ["run", str(recipe), "--manifest", signed, "--output", str(tmp_path / "out")]
    jobs, folder = FakeJobs(), tmp_path / "travels"
    folder.mkdir()
    remote.submit(
        jobs,  # type: ignore[arg-type]
        submission(asked, parse=parser(typer.main.get_command(app)), with_code=False),
        folder,
    )
    assert jobs.handed
    carried = json.dumps(jobs.handed, default=str)
    assert not [name for name, value in SECRETS.items() if value in carried]
    assert not found_below(folder, *SECRETS.values())


class Shop(BaseHTTPRequestHandler):
    """Gives pictures to those who have the right link."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if "planted-" not in query or path.startswith("/denied"):
            self.answer(403, f"no: {self.path}".encode())
        elif path.startswith("/gone"):
            self.answer(404, f"nothing at {self.path}".encode())
        elif path.startswith("/moved"):
            self.answer(302, b"", Location=f"/good.jpg?sig=planted-redirect&from={query}")
        elif path.startswith("/broken"):
            self.answer(200, f"no picture, {self.path}".encode())
        else:
            self.answer(200, mask() if path.startswith("/mask") else picture())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def picture() -> bytes:
    image = Image.new("RGB", (96, 96), "white")
    ImageDraw.Draw(image).ellipse((24, 24, 72, 72), fill="firebrick")
    image.save(data := BytesIO(), "JPEG")
    return data.getvalue()


def mask() -> bytes:
    image = Image.new("L", (96, 96), 0)
    ImageDraw.Draw(image).ellipse((24, 24, 72, 72), fill=255)
    image.save(data := BytesIO(), "PNG")
    return data.getvalue()


@pytest.fixture
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


_KEEPS_RAYS_FILES = """
import os, shutil, sys
from pathlib import Path
from jobs.cli import main
from pipeline.engine.on_ray import cluster
remove, kept = cluster._remove, Path(sys.argv.pop(1))
def keep(folder):
    for path in Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            (kept / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, kept / path.relative_to(folder))
    remove(folder)
cluster._remove = keep
sys.exit(main())
"""

PLANTED = (
    "planted-photo", "planted-mask", "planted-gone", "planted-denied", "planted-moved",
    "planted-redirect", "planted-broken", "planted-password", "planted-key",
)  # fmt: skip


@pytest.mark.ray
@pytest.mark.secure
def test_a_whole_run_leaves_no_secret_anywhere(
    make_manifest: MakeManifest, shop: str, tmp_path: Path
) -> None:
    chain, key = write_chain(tmp_path)
    secret_key = key.read_text().splitlines()[1]
    where = f"http://{shop}"
    rows = {
        "good": f"{where}/good.jpg?X-Amz-Signature=planted-photo",
        "again": f"{where}/good.jpg?w=1&token=planted-photo",
        "masked": f"{where}/good.jpg?sig=planted-photo&sv=1",
        "gone": f"{where}/gone.jpg?key=planted-gone",
        "denied": f"{where}/denied.jpg?sig=planted-denied",
        "moved": f"{where}/moved.jpg?auth=planted-moved",
        "broken": f"{where}/broken.jpg?sig=planted-broken",
        "user": f"http://me:planted-password@{shop}/good.jpg",
        "user of s3": "s3://AKIA:planted-key@catalog/a.jpg",
        "nowhere": "http://other.example/a.jpg?sig=planted-gone",
        "misspelled": f"http:/{shop}/good.jpg?sig=planted-gone",
    }
    manifest = make_manifest(
        id=[*rows],
        image_uri=[*rows.values()],
        mask_uri=[f"{where}/mask.png?k=planted-mask" if id_ == "masked" else None for id_ in rows],
        prompt=["an oak table"] * len(rows),
    )
    output, rays, said = tmp_path / "out", tmp_path / "rays", list[str]()
    options = {
        "fetch.allowed_schemes": "[s3, file, http]",
        "fetch.allowed_hosts": json.dumps([shop]),
        "fetch.allow_private_addresses": "true",
        "budget.max_failures": "20",
        "input.max_megapixels": "2",
        "render.provenance.sign": f"{{certificates: {chain}, private_key: {key}}}",
    }
    sets = [word for name, value in options.items() for word in ("--set", f"{name}={value}")]
    asked = ["studio", "--manifest", manifest, "--output", str(output), *sets]
    environment = {
        **os.environ,
        **SECRETS,
        "AWS_EC2_METADATA_DISABLED": "true",
        "RAY_OVERRIDE_RESOURCES": json.dumps({"memory": 256 * 2**30}),
    }
    commands = [
        ["--verbose", "run", *asked],
        ["run", *asked],
        ["nightly", *asked],
        ["run", *asked, "--dry-run"],
        ["prompts", manifest, "--recipe", "studio"],
        ["run", *asked, "--manifest", "s3://AKIA:planted-key@catalog/x.parquet"],
        ["run", *asked, "--output", "s3://AKIA:planted-key@catalog/out"],
    ]
    codes = []
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-c", _KEEPS_RAYS_FILES, str(rays), *command],
            env=environment, capture_output=True, text=True, timeout=500, check=False,
        )  # fmt: skip
        codes.append(done.returncode)
        said += [done.stdout, done.stderr]
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "everything.txt").write_text("\n".join(said))
    assert codes[:5] == [0] * 5, said
    assert codes[5:] == [2, 2], said
    runs = sorted(output.glob("run_id=*"))
    made = [
        row for file in runs[0].glob("results/*.parquet") for row in pq.read_table(file).to_pylist()
    ]
    assert {row["id"] for row in made if row["error"] is None} == {
        "good",
        "again",
        "masked",
        "moved",
    }
    assert {row["id"]: row["error_code"] for row in made if row["error"]} == {
        "gone": "not_found",
        "denied": "access_denied",
        "broken": "unsupported_format",
        "user": "bad_request",
        "user of s3": "bad_request",
        "nowhere": "uri_not_allowed",
        "misspelled": "bad_request",
    }
    assert len({row["image_uri"] for row in made if row["image_uri"]}) == 7
    secrets = (*PLANTED, *SECRETS.values(), secret_key)
    assert (rays / "r").is_dir(), "no file of Ray's was looked at"
    for folder in (output, rays, tmp_path / "said"):
        assert found_below(folder, *secrets) == Counter(), folder
