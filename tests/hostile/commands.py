"""Command lines that ask for what cannot be: recipes, settings, conditions, names and places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.hostile.cases import File, Request

MANIFEST = "supplier/manifest.parquet"
"""The healthy catalogue of every request: columns id, image_uri, prompt, n, brand."""
_EITHER = frozenset({0, 2})


def dry_run(
    folder: Path, *more: str, manifest: str = MANIFEST, recipe: str = "studio"
) -> list[str]:
    """A run that stops before it would make anything."""
    return [
        *("run", recipe if not recipe.endswith(".yaml") else str(folder / recipe)),
        *("--manifest", str(folder / manifest), "--output", str(folder / "dataset")),
        *("--dry-run", *more),
    ]


def commands() -> Iterator[Request]:
    """All of them."""
    yield from _recipes()
    yield from _settings()
    yield from _conditions()
    yield from _options()
    yield from _outputs()
    yield from _manifests()
    yield from _others()


def _recipes() -> Iterator[Request]:
    texts: Mapping[str, bytes] = {
        "empty": b"",
        "spaces": b"  \n \n",
        "a comment": b"# nothing yet\n",
        "null": b"~",
        "a word": b"studio",
        "a number": b"42",
        "a list": b"- name: x\n",
        "json list": b'["name", "x"]',
        "tabs": b"name: x\nrender:\n\tquality: 90\n",
        "a missing colon": b"name x\nrender:\n  quality 90\n",
        "a bracket left open": b"name: x\nkeep: [a, b\n",
        "a quote left open": b'name: "x\n',
        "uneven indents": b"name: x\nrender:\n    quality: 90\n  format: png\n",
        "binary": bytes(range(256)),
        "zeros": bytes(100),
        "latin 1": "name: x\ndescription: Größe\n".encode("latin-1"),
        "utf-16": "name: x\n".encode("utf-16"),
        "control characters": b"name: x\ndescription: \x07\x1b[31m\n",
        "two documents": b"name: x\n---\nname: y\n",
        "a directive": b"%YAML 9.9\n---\nname: x\n",
        "an unknown directive": b"%NOPE\nname: x\n",
        "a python object": b"name: !!python/object/apply:os.getcwd []\n",
        "a python name": b"name: x\nkeep: [!!python/name:os.system '']\n",
        "an unknown tag": b"name: !nope x\n",
        "an anchor that is not there": b"name: *x\n",
        "a merge of nothing": b"name: x\n<<: 5\n",
        "a list in itself": b"name: x\nkeep: &a [*a]\n",
        "a date that is none": b"name: x\ndescription: 2026-99-99\n",
        "a time that is none": b"name: x\ndescription: 2026-01-01T99:99:99Z\n",
        "an endless number": b"name: x\nrender: {quality: " + b"9" * 5000 + b"}\n",
        "a list as key": b"? [a, b]\n: c\nname: x\n",
        "a null as key": b"~: c\nname: x\n",
        "a number as key": b"5: c\nname: x\n",
        "duplicate sections": b"name: x\nrender: {quality: 9}\nrender: {quality: 90}\n",
        "duplicate fields": b"name: x\nrender: {quality: 9, quality: 90}\n",
        "nesting": b"name: x\nrender: " + b"{a: " * 60 + b"1" + b"}" * 60 + b"\n",
        "list nesting": b"name: x\nkeep: " + b"[" * 60 + b"]" * 60 + b"\n",
        "no name": b"description: x\n",
        "an unknown section": b"name: x\nrenderr: {}\n",
        "an unknown field": b"name: x\nrender: {qualty: 9}\n",
        "a field with a long name": b"name: x\n" + b"y" * 3000 + b": 1\n",
        "a section that is a list": b"name: x\nrender: [quality]\n",
        "a section that is a word": b"name: x\nrender: png\n",
        "keep as a mapping": b"name: x\nkeep: {a: b}\n",
        "keep as a number": b"name: x\nkeep: 5\n",
        "keep of lists": b"name: x\nkeep: [[a]]\n",
    }
    for name, text in texts.items():
        yield _recipe(name, text)
    yield _recipe("keep of nulls", b"name: x\nkeep: [~]\n", says="keep: the manifest has no")
    aliases = b"name: x\nkeep: [&a b, *a, *a]\n"
    yield _recipe("aliases", aliases, says="an alias (*name) is not read")
    fields = {
        "name": ("''", "' '", "a b", "../x", "'a/b'", "x" * 65, '"a\\nb"', "[]"),
        "input.max_bytes": ("0", "-1", "1.5", ".nan", "many", "1e30"),
        "input.max_megapixels": ("0", "-1", ".nan", ".inf", "179", "sixty"),
        "input.min_side_px": ("0", "70000", ".inf"),
        "input.max_aspect": ("0.5", ".nan", ".inf", "-.inf"),
        "fetch.max_bytes": ("0", "none"),
        "fetch.allowed_schemes": ("[ftp]", "s3", "[data]"),
        "fetch.concurrency": ("0", "1000", "true and false"),
        "fetch.versions": ("yes", "[list]"),
        "fetch.max_seconds": ("0", "-1", ".nan", ".inf", "long"),
        "fetch.batch_bytes": ("0", ".inf", "1.5"),
        "matte.network": ("{kind: nope}", "nope", "{kind: [u2net]}"),
        "matte.refine.method": ("nope", "[]", "null"),
        "matte.coverage.min_coverage": (".nan", "-1", "1"),
        "matte.min_island_area": (".nan", ".inf", "2"),
        "prompt.max_characters": ("0", "5000", ".nan"),
        "prompt.policies": ("[nope]", "nope", "[{uri: x.txt}]", "[{uri: unsafe, sha256: x}]"),
        "prompt.template": ("'{5}'", "[a]"),
        "prompt.enhancer": ("{kind: nope}", "{kind: endpoint}", "yes"),
        "render.format": ("tiff", "JPEG", "5"),
        "render.quality": ("0", "101", ".nan", ".inf", "high", "92.5"),
        "render.generator": ("{kind: nope}", "studio", "{kind: [studio]}"),
        "render.crispness": (".nan", ".inf", "3"),
        "render.size.area_px": ("0", "1e30", ".inf"),
        "render.thumbnail_px": ("-1", "513"),
        "render.shadow.opacity": (".nan", ".inf", "2"),
        "output.concurrency": ("0", ".inf"),
        "budget.max_failures": ("-1", ".nan", ".inf", "few"),
        "budget.max_unexpected": ("-1", "1.5", ".inf"),
        "budget.max_strikes": ("0",),
        "budget.max_row_seconds": ("0", ".nan", ".inf", "long"),
        "brief.num_results": ("0", "13", ".nan"),
        "brief.placement": ("nowhere", "[fit, 5]", "{}"),
        "brief.aspect_ratio": ("'0:1'", "16:0", "wide"),
        "brief.margin": (".nan", "0.5"),
        "brief.background_color": ("nope", "[1, 2, 3]"),
        "brief.channel": ("nope",),
        "resources.render.num_cpus": ("0", "-1", ".nan", ".inf"),
        "resources.render.memory_mb": ("-1", ".inf"),
        "resources.render.max_actors": ("0",),
        "prices.currency": ("5", "[]"),
    }
    for field, values in fields.items():
        section, _, rest = field.partition(".")
        for number, value in enumerate(values):
            nested = value
            for step in reversed(rest.split(".") if rest else []):
                nested = f"{{{step}: {nested}}}"
            named = "" if section == "name" else "name: x\n"
            text = f"{named}{section}: {nested}\n".encode()
            # What is asked of two fields together is said of their section.
            says = "aspect_ratio" if field == "brief.aspect_ratio" else field
            yield _recipe(f"{field} {number}", text, says=says)


def _recipe(name: str, text: bytes, *, says: str = "mine.yaml") -> Request:
    return Request(
        group="recipe",
        name=name,
        arguments=lambda folder: dry_run(folder, recipe="mine.yaml"),
        says=says,
        files={"mine.yaml": text},
    )


def _settings() -> Iterator[Request]:
    settings = (
        "",
        "=",
        "render",
        ".=1",
        "..=1",
        "render..quality=1",
        ".quality=1",
        "=1",
        "render.quality=",
        "render.quality=[",
        "render.quality={",
        "render.quality='",
        "render.quality=!!python/name:os.system x",
        "render.quality=&a [*a]",
        "render.quality=*a",
        "render.quality=2026-99-99",
        "render.quality.more=1",
        "render.quality.more.and.more=1",
        "render=5",
        "render=",
        "name=",
        "name=a b",
        "keep=id",
        "keep=[id]",
        "keep=[image]",
        "keep=[nope]",
        "keep=[brand, brand]",
        "keep=[n, 5]",
        "keep=[[n]]",
        "nope=1",
        "nope.nope=1",
        "__class__=1",
        "render.__class__=1",
        "model_config.extra=allow",
        "RENDER.QUALITY=9",
        "render.quality=\N{ARABIC-INDIC DIGIT NINE}x",
        "render.quality=\x07\x1b[31m",
        "\x1b[31m=1",
        "prompt.template={",
        "prompt.template='{'",
        "prompt.template='{}'",
        "prompt.template='{0}'",
        "prompt.template='{n.real}'",
        "prompt.template='{n[0]}'",
        "prompt.template='{n!r}'",
        "prompt.template='{n:>9}'",
        "prompt.template='{nope}'",
        "prompt.template='}'",
        "ignore_columns=5",
        "output.image_column=false",
        "x" * 3000,
        "a." * 2000 + "b=1",
        "render.quality=" + "9" * 5000,
    )
    for number, setting in enumerate(settings):
        both = ("output.image_objects=false",) if setting.startswith("output") else ()
        yield Request(
            group="set",
            name=f"{number} {setting[:24]!a}",
            arguments=_with("--set", setting, *(("--set", *both) if both else ())),
        )


def _with(*more: str) -> Callable[[Path], Sequence[str]]:
    return lambda folder: dry_run(folder, *more)


def _conditions() -> Iterator[Request]:
    refused = (
        "",
        " ",
        ";",
        ")",
        "(",
        "n =",
        "= 1",
        "n == ",
        "n = 1;",
        "n = 1; SELECT 1",
        "n = 1 --",
        "n = 1 -- and a comment",
        "n = 1 /* left open",
        "n = 1) --",
        "1=1); CREATE TABLE t (i INTEGER); --",
        "1=1) OR (1=1",
        "n = 1 ORDER BY n",
        "n = 1 LIMIT 1",
        "n = 1 GROUP BY n",
        "n = 1 UNION SELECT 1",
        "n = 1) UNION (SELECT 1",
        "SELECT 1",
        "WHERE n = 1",
        "count(*) > 1",
        "sum(n) = 1",
        "row_number() OVER () = 1",
        "nope = 1",
        "nope.n = 1",
        "nope(n)",
        "n = ?",
        "n = $1",
        "n = :one",
        "n = 'x'",
        "prompt",
        "'words'",
        "[n]",
        "{'a': n}",
        "n = DATE 'never'",
        "error('stop')",
        "read_text('/etc/hostname') IS NOT NULL",
        "EXISTS (SELECT 1 FROM read_csv('/etc/passwd'))",
        "EXISTS (SELECT 1 FROM '/etc/passwd')",
        "n = (SELECT nope FROM manifest)",
        "getenv('HOME') = ''",
        "n = 1 AND",
        "\"n = 1",
        "'n = 1",
        "n = 1\0",
        "\0",
        "\x1b[31m",
        "n = 1 \N{EM DASH} x",
        "\N{FULLWIDTH LATIN SMALL LETTER N} = = 1",
        "n IN",
        "n IN (1, 'x')",
        "n BETWEEN 1",
        "CASE WHEN n = 1 THEN",
        "x" * 5000,
    )  # fmt: skip
    for number, condition in enumerate(refused):
        yield Request(
            group="where",
            name=f"{number} {condition[:24]!a}",
            arguments=_with("--where", condition),
            says="--where",
        )
    understood = (
        "n = 1",
        "true",
        "n",
        "n = 1 /* said */",
        "n = 1 OR n = 2",
        "n = 1e400",
        "n / 0 = 1",
        "\"n\" = 1 AND brand IN ('A', 'B')",
        "n = (SELECT 1)",
        "n IN (SELECT 1)",
        "len(prompt) > 0",
        "brand LIKE '%'",
        "brand = ';--'",
        "brand = 'it''s'",
        "regexp_matches(brand, '(')",
        "n = 1 OR " * 100 + "n = 2",
        "n::VARCHAR = '1'",
        "n COLLATE nope = 1",
        "COLUMNS(*) IS NULL",
        "unnest([true])",
        "random() > -1",
        "current_date > DATE '2000-01-01'",
        "manifest.n = 1",
        "null",
        "false",
    )
    for number, condition in enumerate(understood):
        yield Request(
            group="where",
            name=f"maybe {number} {condition[:24]!a}",
            arguments=_with("--where", condition),
            codes=_EITHER,
        )


def _options() -> Iterator[Request]:
    options = {
        "--limit": ("0", "-1", "x", "1.5", "", "nan", "1e3", str(2**63), str(10**40), "\N{BELL}"),
        "--run-id": (
            "", " ", ".", "..", "../up", "a/b", "/etc", "a\\b", "a b", "a\nb", "a\0b", "x" * 300,
            ".hidden", "run_id=x/y", "caf\u00e9", "\x1b[31m", "-", "%2e",
            "*", "~",
        ),
    }  # fmt: skip
    for option, values in options.items():
        for number, value in enumerate(values):
            yield Request(
                group="option",
                name=f"{option.strip('-')} {number}",
                arguments=_with(option, value),
                says=option,
                codes=_EITHER if value == "-" else frozenset({2}),
            )
    wrong: Mapping[str, Sequence[str]] = {
        "no command": ["nope"],
        "an option that is none": ["run", "studio", "--nope"],
        "no manifest": ["run", "studio", "--output", "x"],
        "no output": ["run", "studio", "--manifest", "x"],
        "no recipe": ["run"],
        "a command with too much": ["recipes", "more"],
        "a format of logs": ["--log-format", "xml", "recipes"],
        "an option without its value": ["run", "studio", "--manifest"],
        "a sample that is none": ["estimate", "studio", "--sample", "0"],
    }
    for name, arguments in wrong.items():
        yield Request(group="option", name=name, arguments=lambda _, given=arguments: given)
    addresses = ("", " ", "head", "head:", "head:port", "nope://head:1", "ray://", "a\nb:1")
    for number, address in enumerate(addresses):
        yield Request(
            group="option",
            name=f"address {number}",
            arguments=lambda folder, given=address: [
                *("run", "studio", "--manifest", str(folder / MANIFEST)),
                *("--output", str(folder / "dataset"), "--address", given),
            ],
            says="--address",
        )
    recipes = ("", " ", "studoi", "../studio", "/etc/passwd", "studio.yaml", "nope.yml", "x" * 300,
               "a\0.yaml", "\x1b[31m", "studio\n", ".yaml", "s3://x/y.yaml")  # fmt: skip
    for number, recipe in enumerate(recipes):
        yield Request(
            group="option",
            name=f"recipe {number}",
            arguments=lambda folder, given=recipe: [
                *("run", given, "--manifest", str(folder / MANIFEST)),
                *("--output", str(folder / "dataset"), "--dry-run"),
            ],
        )


def _outputs() -> Iterator[Request]:
    def to(output: str, *, within: bool = True) -> Callable[[Path], Sequence[str]]:
        return lambda folder: [
            *("run", "studio", "--manifest", str(folder / MANIFEST)),
            *("--output", str(folder / output) if within else output, "--dry-run"),
        ]

    places: Mapping[str, tuple[str, bool]] = {
        "the manifest": (MANIFEST, True),
        "below the manifest": (f"{MANIFEST}/x", True),
        "a file": ("file", True),
        "below a file": ("file/x/y", True),
        "a system folder": ("/proc/backlot", False),
        "a device": ("/dev/null", False),
        "below a device": ("/dev/null/x", False),
        "nothing": ("", False),
        "a nul": ("/tmp/a\0b", False),
        "a long name": ("x" * 300, True),
        "a long path": ("x/" * 3000, True),
        "another scheme": ("ftp://example.com/x", False),
        "the web": ("https://127.0.0.1:9/x", False),
        "no bucket": ("s3://", False),
        "no bucket but a key": ("s3:///x", False),
        "an invented scheme": ("zzz://x", False),
        "a link to itself": ("loop/x", True),
    }
    for name, (output, within) in places.items():
        yield Request(
            group="output",
            name=name,
            arguments=to(output, within=within),
            says="--output",
            files={"file": b"", "loop": lambda path: path.symlink_to("loop")},
        )
    yield Request(
        group="output",
        name="within a folder of manifests",
        arguments=lambda folder: [
            *("run", "studio", "--manifest", str(folder / "supplier")),
            *("--output", str(folder / "supplier" / "dataset"), "--dry-run"),
        ],
        says="--output",
    )


def _manifests() -> Iterator[Request]:
    """Places and names of manifests; what is wrong inside of them is in `broken.py`."""
    names: Mapping[str, tuple[str, Mapping[str, File]]] = {
        "not there": ("gone.parquet", {}),
        "an empty folder": ("empty", {"empty": lambda path: path.mkdir()}),
        "a folder of others": ("others", {"others/a.txt": b"", "others/b.xlsx": b"PK"}),
        "a folder of two formats": ("two", {"two/a.csv": b"id\n1\n", "two/b.jsonl": b"{}\n"}),
        "a pattern that finds nothing": ("supplier/*.csv", {}),
        "a pattern left open": ("supplier/[.parquet", {}),
        "stars": ("**/**/**/nope-*", {}),
        "another ending": ("m.dat", {"m.dat": b"id,image_uri,prompt\n1,a,b\n"}),
        "no ending": ("m", {"m": b"id,image_uri,prompt\n1,a,b\n"}),
        "a workbook": ("m.xlsx", {"m.xlsx": b"PK\x03\x04"}),
        "a link to itself": ("l.csv", {"l.csv": lambda path: path.symlink_to("l.csv")}),
        "a link to nothing": ("d.csv", {"d.csv": lambda path: path.symlink_to("gone.csv")}),
        "a folder called like a file": ("f.parquet", {"f.parquet": lambda path: path.mkdir()}),
        "a long name": ("x" * 300 + ".csv", {}),
        "an escape": ("\x1b[31m.csv", {}),
    }
    for name, (manifest, files) in names.items():
        yield Request(
            group="manifest",
            name=name,
            arguments=lambda folder, given=manifest: dry_run(folder, manifest=given),
            says="manifest",
            files=files,
        )
    whole = {
        "nothing": "",
        "a nul": "/tmp/a\0b.csv",
        "no bucket": "s3://",
        "no bucket but a key": "s3:///m.csv",
        "the web": "http://127.0.0.1:9/m.csv",
        "another scheme": "ftp://example.com/m.csv",
        "an invented scheme": "zzz://x/m.csv",
        "a system folder": "/proc/self",
        "half an address": "http://[::1/m.csv",
    }
    for name, uri in whole.items():
        yield Request(
            group="manifest",
            name=f"named {name}",
            arguments=lambda folder, given=uri: [
                *("run", "studio", "--manifest", given, "--output", str(folder / "dataset")),
                "--dry-run",
            ],
        )


def _others() -> Iterator[Request]:
    """The other commands, pointed at what they do not read."""
    run = {"run_id=x/run.json": b"{"}
    written: Mapping[str, tuple[Sequence[str], Mapping[str, File]]] = {
        "verify nothing": (["verify", "gone"], {}),
        "verify a file": (["verify", "file"], {"file": b""}),
        "verify a torn run": (["verify", "run_id=x"], run),
        "verify a run of lists": (["verify", "run_id=x"], {"run_id=x/run.json": b"[]"}),
        "verify an empty run": (["verify", "run_id=x"], {"run_id=x/run.json": b"{}"}),
        "report nothing": (["report", "gone"], {}),
        "report a torn run": (["report", "run_id=x"], {**run, "run_id=x/report.json": b"{"}),
        "report of lists": (["report", "run_id=x"],
                            {"run_id=x/run.json": b"[]", "run_id=x/report.json": b"[]"}),
        "report of binary": (["report", "run_id=x"],
                             {"run_id=x/run.json": b"\xff\xfe\0", "run_id=x/report.json": b"\xff"}),
        "report of nothing in it": (["report", "run_id=x"],
                                    {"run_id=x/run.json": b"{}", "run_id=x/report.json": b"{}"}),
        "report a file": (["report", "file"], {"file": b""}),
        "report a long name": (["report", "x" * 300], {}),
        "verify a long name": (["verify", "x" * 300], {}),
        "verify a nul": (["verify", "a\0b"], {}),
        "verify another scheme": (["verify", "ftp://example.com/run_id=x"], {}),
        "current of a torn run": (["current", "."], run),
        "current of a run of numbers": (["current", "."], {"run_id=x/run.json": b"5"}),
        "current of a long name": (["current", "x" * 300], {}),
        "nightly beside a torn run": (
            ["nightly", "studio", "--manifest", MANIFEST, "--output", "."], run),
        "a run beside a torn one": (
            ["run", "studio", "--manifest", MANIFEST, "--output", ".", "--dry-run"], run),
        "reprocess nothing": (["reprocess", "gone", "--where", "true"], {}),
        "reprocess a torn run": (["reprocess", ".", "--where", "true"], run),
        "reprocess two statements": (["reprocess", ".", "--where", "1; SELECT 1"], run),
        "validate nothing": (["validate", "gone", "--channel", "ebay"], {}),
        "validate for nobody": (["validate", ".", "--channel", "nope"], {"a.jpg": b"x"}),
        "validate no pictures": (["validate", "e", "--channel", "ebay"], {"e/a.txt": b"x"}),
        "evaluate nothing": (["evaluate", "gone", "--recipe", "studio"], {}),
        "evaluate an empty folder": (["evaluate", ".", "--recipe", "studio"], {}),
        "evaluate a torn list": (["evaluate", ".", "--recipe", "studio"], {"a.csv": b'"id,in'}),
        "evaluate a list of others": (["evaluate", ".", "--recipe", "studio"], {"a.csv": b"x,y\n"}),
        "evaluate a short row": (["evaluate", ".", "--recipe", "studio"],
                                 {"a.csv": b"id,input,alpha\na\n"}),
        "evaluate a long cell": (["evaluate", ".", "--recipe", "studio"],
                                 {"a.csv": b"id,input,alpha\n" + b"x" * 200_000 + b",b,c\n"}),
        "evaluate latin 1": (["evaluate", ".", "--recipe", "studio"],
                             {"a.csv": b"id,input,alpha\n\xe9,b,c\n"}),
        "evaluate what is not there": (["evaluate", ".", "--recipe", "studio"],
                                       {"a.csv": b"id,input,alpha\na,b,c\n"}),
        "evaluate a file": (["evaluate", "file", "--recipe", "studio"], {"file": b""}),
        "prompts of nothing": (["prompts", "gone.csv", "--recipe", "studio"], {}),
        "prompts by no recipe": (["prompts", "gone.csv", "--recipe", "nope"], {}),
        "nightly of nothing": (["nightly", "studio", "--manifest", "g.csv", "--output", "d"], {}),
        "estimate of nothing": (["estimate", "studio", "--manifest", "g.csv", "--output", "d"], {}),
    }  # fmt: skip
    places = {"verify", "report", "current", "reprocess", "validate", "evaluate", "prompts"}

    def placed(folder: Path, given: Sequence[str]) -> list[str]:
        """The arguments with paths in the folder: what comes after a command or an option."""
        after = places | {"--manifest", "--output"}
        return [
            str(folder / argument) if before in after and "://" not in argument else argument
            for before, argument in zip(["", *given], given, strict=False)
        ]

    for name, (arguments, files) in written.items():
        yield Request(
            group="other",
            name=name,
            arguments=lambda folder, given=arguments: placed(folder, given),
            files=files,
        )
