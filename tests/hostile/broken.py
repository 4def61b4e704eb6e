"""Manifests that are broken as files: torn, ragged, in another encoding, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

from tests.hostile.cases import Request
from tests.hostile.commands import dry_run

_EITHER = frozenset({0, 2})
_HEAD = "id,image_uri,prompt\n"
_GOOD = "1,healthy.jpg,oak\n"


def broken() -> Iterator[Request]:
    """All of them."""
    yield from _csv()
    yield from _jsonl()
    yield from _parquet()
    yield from _ids()


def _request(group: str, name: str, data: bytes, suffix: str, *, codes: frozenset[int]) -> Request:
    file = f"supplier/broken{suffix}"
    return Request(
        group=group,
        name=name,
        # It is planned, and every row looked at: a dry run would stop at the first block.
        arguments=lambda folder: ["prompts", str(folder / file), "--recipe", "studio"],
        says="manifest",
        files={file: data},
        codes=codes,
    )


def _csv() -> Iterator[Request]:
    refused: Mapping[str, str | bytes] = {
        "nothing": "",
        "a line break": "\n",
        "only a header": _HEAD,
        "no header": _GOOD * 3,
        "a column too many": _HEAD + _GOOD + "2,healthy.jpg,oak,more\n" + _GOOD.replace("1", "3"),
        "a column too few": _HEAD + _GOOD + "2,healthy.jpg\n",
        "a column too few at the end": _HEAD + _GOOD * 1 + "2",
        "a quote left open": _HEAD + _GOOD + '2,healthy.jpg,"oak\n3,healthy.jpg,oak\n',
        "half of utf-16": (_HEAD + _GOOD).encode("utf-16")[:-1],
        "a workbook": b"PK\3\4" + bytes(200),
        "latin 1 in a header": _HEAD.replace("prompt", "prompt,größe").encode("latin-1"),
        "two columns of a name": "id,image_uri,prompt,prompt\n1,healthy.jpg,oak,pine\n",
        "two ids": "id,id,image_uri,prompt\n1,2,healthy.jpg,oak\n",
        "columns in capitals": _HEAD.upper() + _GOOD,
        "columns without an id": "sku,image_uri,prompt\n1,healthy.jpg,oak\n",
        "a web page": "<!doctype html>\n<html><body>404</body></html>\n",
        "json": '{"id": 1}\n',
        "binary": bytes(range(256)) * 8,
        "zeros": bytes(1000),
        "a parquet file": _parquet_file(),
        "an id that is missing": _HEAD + ",healthy.jpg,oak\n",
        "an id twice": _HEAD + _GOOD * 2,
        "a number that is words": "id,image_uri,prompt,seed\n1,healthy.jpg,oak,many\n",
        "a number that is a fraction": "id,image_uri,prompt,seed\n1,healthy.jpg,oak,1.5\n",
        "a yes that is a number": "id,image_uri,prompt,fast\n1,healthy.jpg,oak,2\n",
    }
    for name, data in refused.items():
        yield _request("csv", name, _bytes(data), ".csv", codes=frozenset({2}))
    understood: Mapping[str, str | bytes] = {
        "semicolons": (_HEAD + _GOOD).replace(",", ";"),
        "tabs": (_HEAD + _GOOD).replace(",", "\t"),
        "pipes": (_HEAD + _GOOD).replace(",", "|"),
        "utf-16": (_HEAD + _GOOD).encode("utf-16"),
        "utf-16 without its mark": (_HEAD + _GOOD).encode("utf-16-le"),
        "utf-32": (_HEAD + _GOOD).encode("utf-32"),
        "a byte order mark": (_HEAD + _GOOD).encode("utf-8-sig"),
        "latin 1": (_HEAD + "1,healthy.jpg,Größe\n").encode("latin-1"),
        "half a character": (_HEAD + _GOOD).encode() + b"2,healthy.jpg,\xe2\x82\n",
        "a nul": _HEAD + "1,healthy.jpg,o\0ak\n",
        "a nul in an id": _HEAD + "1\x002,healthy.jpg,oak\n",
        "other line breaks": (_HEAD + _GOOD).replace("\n", "\r\n"),
        "old line breaks": (_HEAD + _GOOD).replace("\n", "\r"),
        "mixed line breaks": _HEAD + _GOOD.replace("\n", "\r\n") + _GOOD.replace("1", "2"),
        "blank lines": _HEAD + "\n\n" + _GOOD + "\n\n",
        "no line break at the end": (_HEAD + _GOOD).strip(),
        "a quote in the middle": _HEAD + '1,healthy.jpg,oa"k"\n',
        "quotes doubled": _HEAD + '1,healthy.jpg,"an ""oak"" table"\n',
        "a line break in a cell": _HEAD + '1,healthy.jpg,"oak\ntable"\n',
        "quoted names": '"id","image_uri","prompt"\n1,healthy.jpg,oak\n',
        "spaces around names": "id, image_uri, prompt\n1,healthy.jpg,oak\n",
        "a comment": "# made by hand\n" + _HEAD + _GOOD,
        "a comma at the end": "id,image_uri,prompt,\n1,healthy.jpg,oak,\n",
        "two columns without a name": "id,image_uri,prompt,,\n1,healthy.jpg,oak,,\n",
        "formulas": _HEAD + "=1+1,healthy.jpg,@SUM(A1)\n",
        "escapes": _HEAD + "\x1b[31m,healthy.jpg,oak\n",
        "a thousand columns": _HEAD.strip() + "".join(f",c{n}" for n in range(1000)) + "\n"
        + _GOOD.strip() + ",x" * 1000 + "\n",
        "a long cell": _HEAD + f"1,healthy.jpg,{'oak ' * 50_000}\n",
        "a separator said": "sep=,\n" + _HEAD + _GOOD,
        "numbers with commas": "id,image_uri,prompt,seed\n1,healthy.jpg,oak,\"1,5\"\n",
        "a seed that is not said": "id,image_uri,prompt,seed\n1,healthy.jpg,oak,\n",
        "names of nothing": "id,image_uri,prompt,seed\n1,healthy.jpg,oak,NA\n",
        "an endless number": f"id,image_uri,prompt,seed\n1,healthy.jpg,oak,{'9' * 400}\n",
    }  # fmt: skip
    for name, data in understood.items():
        yield _request("csv", name, _bytes(data), ".csv", codes=_EITHER)


def _jsonl() -> Iterator[Request]:
    good = '{"id": "1", "image_uri": "healthy.jpg", "prompt": "oak"}\n'
    other = good.replace('"1"', '"2"')
    refused: Mapping[str, str | bytes] = {
        "nothing": "",
        "blank lines": "\n\n\n",
        "an array that is cut off": f"[{good.strip()},\n",
        "an array below a key": f'{{"products": [{good.strip()}]}}\n',
        "arrays": '["1", "healthy.jpg", "oak"]\n',
        "words": "oak\n",
        "a number": "5\n",
        "an empty object": "{}\n",
        "cut off": good + other[:20],
        "a brace too many": good + other.strip() + "}\n",
        "a comma at the end": good + '{"id": "2", "image_uri": "a",}\n',
        "no quotes": good + "{id: 2}\n",
        "single quotes": good.replace('"', "'"),
        "not a number": good + '{"id": "2", "image_uri": "a", "prompt": "b", "seed": nan}\n',
        "a string left open": good + '{"id": "2\n',
        "a bare control character": good + '{"id": "2", "prompt": "\x01"}\n{\n',
        "a bad escape": good + '{"id": "\\x41"}\n',
        "comments": "// made by hand\n" + good,
        "binary": bytes(range(256)),
        "an id that is a list": good.replace('"1"', '["1"]'),
        "an id that is an object": good.replace('"1"', '{"a": 1}'),
        "an id that is null": good.replace('"1"', "null") + other,
        "an id that is words, then a number": good + good.replace('"1"', "2"),
        "an id twice": good + good,
        "a key twice": good.replace('"oak"', '"oak", "prompt": "pine"'),
        "a prompt that is a list": good.replace('"oak"', '["oak"]'),
        "a seed that is words": good.replace('"oak"', '"oak", "seed": "many"'),
        "a csv file": _HEAD + _GOOD,
        "a parquet file": _parquet_file(),
    }
    for name, data in refused.items():
        yield _request("jsonl", name, _bytes(data), ".jsonl", codes=frozenset({2}))
    understood: Mapping[str, str | bytes] = {
        "an array": f"[{good.strip()}]\n",
        "utf-16": good.encode("utf-16"),
        "a byte order mark": good.encode("utf-8-sig"),
        "blank lines between": good + "\n\n" + other,
        "other line breaks": (good + other).replace("\n", "\r\n"),
        "no line break at the end": good.strip(),
        "keys in another order": good
        + '{"prompt": "oak", "image_uri": "healthy.jpg", "id": "2"}\n',
        "a key that is missing": good + '{"id": "2", "image_uri": "healthy.jpg"}\n',
        "a key that comes late": good + other.replace('"oak"', '"oak", "seed": 7'),
        "a number for an id": good.replace('"1"', "1"),
        "two objects a line": good.strip() + other,
        "an escape": good.replace("oak", "\\u001b[31moak"),
        "a nul": good.replace("oak", "o\\u0000ak"),
        "half a pair": good + '{"id": "2", "image_uri": "a", "prompt": "\\ud800"}\n',
        "half a character": good.encode() + other.encode().replace(b"oak", b"\xe2\x82"),
        "a large number": good.replace('"oak"', '"oak", "seed": 99999999999999999999'),
        "a date for an id": good.replace('"1"', '"2026-01-01"'),
        "nesting": good.replace('"oak"', '"oak", "x": ' + "[" * 20 + "]" * 20),
        "kinds that differ": good.replace('"oak"', '"oak", "x": 1')
        + other.replace('"oak"', '"oak", "x": "1"'),
        "an empty key": good.replace('"oak"', '"oak", "": 1'),
        "a long value": good.replace("oak", "oak " * 20_000),
    }
    for name, data in understood.items():
        yield _request("jsonl", name, _bytes(data), ".jsonl", codes=_EITHER)


def _parquet_file(table: pa.Table | None = None) -> bytes:
    sink = BytesIO()
    good = {"id": ["1"], "image_uri": ["healthy.jpg"], "prompt": ["oak"]}
    pq.write_table(pa.table(good) if table is None else table, sink)
    return sink.getvalue()


def _parquet() -> Iterator[Request]:
    whole = _parquet_file()
    arrow = BytesIO()
    feather.write_feather(pa.table({"id": ["1"]}), arrow)
    texts = {"id": ["1"], "image_uri": ["healthy.jpg"], "prompt": ["oak"]}
    files: Mapping[str, bytes] = {
        "nothing": b"",
        "its signature": b"PAR1",
        "its signature twice": b"PAR1PAR1",
        "another signature": b"PARE" + whole[4:-4] + b"PARE",
        "cut in the middle": whole[: len(whole) // 2],
        "cut before its end": whole[:-4],
        "cut at its start": whole[4:],
        "zeros": bytes(1000),
        "words": b"id,image_uri,prompt\n1,a,b\n",
        "another format": arrow.getvalue(),
        "a footer of 2 GB": whole[:-8] + b"\xff\xff\xff\x7fPAR1",
        "no rows": _parquet_file(pa.table(texts).slice(0, 0)),
        "no columns": _parquet_file(pa.table({})),
        "no id": _parquet_file(pa.table({"image_uri": ["a"], "prompt": ["b"]})),
        "neither photograph": _parquet_file(pa.table({"id": ["a"], "prompt": ["b"]})),
        "no prompt": _parquet_file(pa.table({"id": ["a"], "image_uri": ["b"]})),
        "an id twice": _parquet_file(pa.table({name: value * 2 for name, value in texts.items()})),
        "an id that is null": _parquet_file(
            pa.table({**texts, "id": pa.array([None], pa.string())})
        ),
        "a column twice": _parquet_file(
            pa.Table.from_arrays([pa.array(["1"])] * 4, names=["id", "image_uri", "prompt", "id"])
        ),
    }
    for name, data in files.items():
        yield _request("parquet", name, data, ".parquet", codes=frozenset({2}))


def _ids() -> Iterator[Request]:
    """Ids that are not what a run can go by."""
    tables: Mapping[str, list[str | None]] = {
        "null": ["a", None],
        "twice": ["a", "b", "a"],
        "null twice": [None, None, "a"],
        "called like results": ["a", "a/fit"],
        "called like numbers": ["a", "a/1"],
    }
    for name, ids in tables.items():
        count = len(ids)
        table = pa.table(
            {
                "id": pa.array(ids, pa.string()),
                "image_uri": ["healthy.jpg"] * count,
                "prompt": ["oak"] * count,
                "num_results": [2] * count,
            }
        )
        yield Request(
            group="ids",
            name=name,
            arguments=lambda folder: dry_run(folder, manifest="supplier/broken.parquet"),
            says="'id'",
            files={"supplier/broken.parquet": _parquet_file(table)},
        )


def _bytes(data: str | bytes) -> bytes:
    return data if isinstance(data, bytes) else data.encode()
