"""Reading photographs from an S3 server, against a plain loop over the same client library.

The server is moto, in a process of its own: it answers slower than a real store, and takes a core.
So this shows what the fetch stage adds to a request and nothing about how fast a store can be read.
Needs the extra `bench`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.measuring import show
from pipeline import storage
from pipeline.errors import Row, RowError
from pipeline.stages.fetch import FetchConfig, FetchMapper

_BUCKET = "bench"
_OBJECT_BYTES = 200_000
_BATCH = 64


def run_objects(num_objects: int, *, repeats: int) -> None:
    """Read so many objects of 200 kB both ways, in turns, and print a table."""
    keys = [f"photographs/{number:06d}.jpg" for number in range(num_objects)]
    concurrency = FetchConfig().concurrency
    with _server():
        asyncio.run(_fill(keys))
        plain, ours = [], []
        for _ in range(repeats):
            plain.append(asyncio.run(_plainly(keys, concurrency)))
            ours.append(_through_fetch(keys))
    row = {
        "objects": num_objects,
        "object_bytes": _OBJECT_BYTES,
        "concurrency": concurrency,
        "backlot_per_s": round(num_objects / median(ours), 1),
        "plain_per_s": round(num_objects / median(plain), 1),
        "over_plain": round(median(plain) / median(ours), 2),
    }
    show([row])


@contextmanager
def _server() -> Iterator[None]:
    """moto, and an environment that leads to it, for the length of a block."""
    command = [sys.executable, "-u", "-m", "moto.server", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        before = dict(os.environ)
        try:
            assert process.stderr is not None
            said = next((line for line in process.stderr if "Running on http" in line), None)
            if said is None:
                raise ValueError("moto does not start: pip install 'backlot[bench]'")
            os.environ |= {
                "AWS_ENDPOINT_URL": said.rpartition("Running on ")[2].strip(),
                "AWS_ACCESS_KEY_ID": "bench",
                "AWS_SECRET_ACCESS_KEY": "bench",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
            # What it says about each request would fill the pipe and stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield
        finally:
            storage.disconnect()
            os.environ.clear()
            os.environ.update(before)
            process.kill()  # it was started with signals blocked, and keeps nothing


def _client(concurrency: int) -> Any:
    return get_session().create_client("s3", config=AioConfig(max_pool_connections=concurrency))


async def _fill(keys: list[str]) -> None:
    noise = os.urandom(_OBJECT_BYTES)
    async with _client(8) as client:
        await client.create_bucket(Bucket=_BUCKET)
        for first in range(0, len(keys), 8):
            await asyncio.gather(
                *(
                    client.put_object(Bucket=_BUCKET, Key=key, Body=noise)
                    for key in keys[first : first + 8]
                )
            )


async def _plainly(keys: list[str], concurrency: int) -> float:
    """Seconds for reading and hashing every object with nothing around the client."""
    turn = asyncio.Semaphore(concurrency)

    async def read(client: Any, key: str) -> str:
        async with turn:
            answer = await client.get_object(Bucket=_BUCKET, Key=key)
            return hashlib.sha256(await answer["Body"].read()).hexdigest()

    started = time.perf_counter()
    async with _client(concurrency) as client:
        await asyncio.gather(*(read(client, key) for key in keys))
    return time.perf_counter() - started


def _through_fetch(keys: list[str]) -> float:
    """Seconds for the same through the mapper of the fetch stage."""
    rows: list[Row] = [
        {
            "image_uri": f"s3://{_BUCKET}/{key}",
            "image_input": None,
            "mask_uri": None,
            "reference_uris": [],
        }
        for key in keys
    ]
    started = time.perf_counter()
    mapper = FetchMapper(FetchConfig(), root=f"s3://{_BUCKET}")
    for first in range(0, len(rows), _BATCH):
        for outcome in mapper.map_batch(rows[first : first + _BATCH]):
            if isinstance(outcome, RowError):
                raise outcome
    return time.perf_counter() - started
