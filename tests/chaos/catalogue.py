"""The bucket of a chaos run: photographs, a manifest, and what a run may leave there."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.flow import pictures

_NUM_PHOTOGRAPHS = 12


@dataclass(frozen=True)
class Catalogue:
    """A manifest of rows that all can be done, and the dataset made of it."""

    client: Any
    bucket: str
    num_rows: int

    @classmethod
    def make(cls, num_rows: int) -> Catalogue:
        """Fill a new bucket of the store that the environment names."""
        # Older stores know no checksum in a trailer, which boto3 would send unasked.
        config = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # A session of its own: boto3's keeps the keys of the store that was there before.
        client = boto3.Session().client("s3", config=config)
        made = cls(client, f"catalogue-{uuid.uuid4().hex[:8]}", num_rows)
        client.create_bucket(Bucket=made.bucket)
        for number in range(_NUM_PHOTOGRAPHS):
            made.put(f"in/{number}.png", pictures.with_alpha(shift_px=number))
        rows = [
            {
                "id": f"sku/{n}",
                "image_uri": f"{n % _NUM_PHOTOGRAPHS}.png",
                "prompt": "oak table, plaster wall",
            }
            for n in range(num_rows)
        ]
        sink = BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        made.put("in/manifest.parquet", sink.getvalue())
        return made

    @property
    def manifest(self) -> str:
        return f"s3://{self.bucket}/in/manifest.parquet"

    @property
    def output(self) -> str:
        return f"s3://{self.bucket}/out"

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def read(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "out/") -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    def num_result_files(self) -> int:
        return sum("/results/" in key for key in self.keys())

    def lease(self) -> dict[str, Any] | None:
        """Who holds the only run there is.

        Not who tries, before a run, whether the store keeps leases at all.
        """
        for key in self.keys():
            if key.endswith("/lease.json"):
                try:
                    held = dict(json.loads(self.read(key)))
                except ClientError:  # released since it was listed
                    continue
                if held["owner"] != "backlot, trying":
                    return held
        return None

    def delete_lease(self) -> None:
        """As somebody who takes it for left over."""
        for key in self.keys():
            if key.endswith("/lease.json"):
                self.client.delete_object(Bucket=self.bucket, Key=key)

    def num_open_uploads(self) -> int:
        try:
            listed = self.client.list_multipart_uploads(Bucket=self.bucket)
        except ClientError as error:
            # s3rver cannot list them; rclone says the other thing where there are none.
            if error.response["Error"]["Code"] not in ("NotImplemented", "NoSuchUpload"):
                raise
            return 0
        return len(listed.get("Uploads") or [])

    def account(self) -> dict[str, int]:
        """Count the rows of the finished run, and what lies beside it that belongs to nothing."""
        keys = self.keys()
        (success,) = [key for key in keys if key.endswith("/_SUCCESS")]
        run = success.removesuffix("/_SUCCESS")
        committed = json.loads(self.read(success))["results"]
        counts: Counter[str] = Counter()
        pictures_named: set[str] = set()
        num_failed = 0
        for name in committed:
            table = pq.read_table(
                BytesIO(self.read(f"{run}/results/{name}")),
                columns=["sample_id", "error", "image_path"],
            )
            counts.update(table["sample_id"].to_pylist())
            num_failed += table.num_rows - table["error"].null_count
            pictures_named |= {f"{run}/{path}" for path in table["image_path"].to_pylist() if path}
        planned = {f"sku/{n}" for n in range(self.num_rows)}
        return {
            "lost": len(planned - counts.keys()),
            "doubled": sum(count - 1 for count in counts.values()),
            "unexpected": len(counts.keys() - planned),
            "failed": num_failed,
            "pictures missing": len(pictures_named - keys),
            "pictures left over": len({k for k in keys if "/images/" in k} - pictures_named),
            "result files left over": sum("/results/" in key for key in keys) - len(committed),
            "leases left over": sum(key.endswith("/lease.json") for key in keys),
            "uploads left open": self.num_open_uploads(),
        }

    def empty(self, prefix: str = "out/") -> None:
        for key in self.keys(prefix):
            self.client.delete_object(Bucket=self.bucket, Key=key)
