"""What a store can do, measured by a client that is not ours."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.stores.server import Server

_PART_BYTES = 5 * 2**20
"""The smallest that S3 takes for any part but the last."""


def client_of(server: Server) -> Any:
    """It asks for nothing that an older store does not know, and it asks once."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret,
        region_name="us-east-1",
        config=Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 1},
        ),
    )


def measure(client: Any, bucket: str) -> dict[str, str]:
    """What becomes of each kind of request, in a word or two.

    Args:
        client: of `client_of`.
        bucket: an empty one, which is emptied again.
    """
    at = _At(client, bucket)
    return {
        "If-None-Match: *": at.if_none_match(),
        "ETag of GET / HEAD / list": at.etags(),
        "list in byte order": at.order(),
        "start-after": at.start_after(),
        "multipart": at.multipart(),
        "wrong MD5": at.wrong_md5(),
        "wrong CRC32": at.wrong_crc32(),
    }


def honours_conditions(measured: dict[str, str]) -> bool:
    """Whether two drivers can be kept apart by conditional writes."""
    return measured["If-None-Match: *"] == "honoured"


class _At:
    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def if_none_match(self) -> str:
        self._client.put_object(Bucket=self._bucket, Key="there", Body=b"before")
        new = self._try_put("absent", IfNoneMatch="*")
        over = self._try_put("there", IfNoneMatch="*")
        is_kept = self._get("there") == b"before"
        self._delete("there", "absent")
        return _word(taken=new, refused=over, is_kept=is_kept)

    def etags(self) -> str:
        self._client.put_object(Bucket=self._bucket, Key="there", Body=b"before")
        place = {"Bucket": self._bucket, "Key": "there"}
        answers = [self._client.get_object(**place), self._client.head_object(**place)]
        answers += self._client.list_objects_v2(Bucket=self._bucket, Prefix="there")["Contents"]
        self._delete("there")
        md5 = hashlib.md5(b"before").hexdigest()
        said = [answer.get("ETag", "").strip('"') for answer in answers]
        return " / ".join("MD5" if etag == md5 else "other" if etag else "none" for etag in said)

    def order(self) -> str:
        keys = [
            "red-1",
            "red.jpg",
            "red/2",
            "red/a/1",
            "red0",
            "red\u00e4",
            "red\uff5e",
            "red\U0001f600",
        ]
        for key in keys:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"x")
        page = self._client.list_objects_v2(Bucket=self._bucket, Prefix="red")
        listed = [entry["Key"] for entry in page["Contents"]]
        self._delete(*keys)
        if sorted(listed) != sorted(keys):
            return "lists other keys"
        if listed == sorted(keys):  # by code point, which is the order of UTF-8 bytes
            return "yes"
        is_by_folder = [key for key in listed if key.isascii()] != sorted(keys)[:5]
        return "no: folder by folder" if is_by_folder else "no: by UTF-16"

    def start_after(self) -> str:
        keys = [f"n{number}" for number in range(5)]
        for key in keys:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"x")
        try:
            inside = self._list(StartAfter="n2")
            between = self._list(StartAfter="n2z")
        except ClientError as error:
            return _refusal(error)
        finally:
            self._delete(*keys)
        return "yes" if inside == between == keys[3:] else "passed over"

    def multipart(self) -> str:
        place = {"Bucket": self._bucket, "Key": "large"}
        whole = bytes(_PART_BYTES) + b"end"
        upload = self._client.create_multipart_upload(**place)["UploadId"]
        parts = []
        for number, data in enumerate((whole[:_PART_BYTES], whole[_PART_BYTES:]), start=1):
            sent = self._client.upload_part(**place, UploadId=upload, PartNumber=number, Body=data)
            parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        asked = {**place, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        said = self._client.complete_multipart_upload(**asked)
        is_equal = self._get("large") == whole
        try:
            self._client.complete_multipart_upload(**asked)
            again = "again: done"
        except (ClientError, BotoCoreError) as error:
            again = f"again: {_refusal(error)}"
        self._delete("large")
        if not is_equal:
            return "altered"
        etag = "" if said.get("ETag", "").strip('"') else ", no ETag in the answer"
        return f"whole; {again}{etag}"

    def wrong_md5(self) -> str:
        digest = b64encode(hashlib.md5(b"other").digest()).decode()
        return self._wrong(ContentMD5=digest)

    def wrong_crc32(self) -> str:
        digest = b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
        return self._wrong(ChecksumCRC32=digest)

    def _wrong(self, **options: str) -> str:
        said = self._try_put("sum", **options)
        self._delete("sum")
        return "taken" if said is None else "refused"

    def _list(self, **options: str) -> list[str]:
        page = self._client.list_objects_v2(Bucket=self._bucket, Prefix="n", **options)
        return [entry["Key"] for entry in page.get("Contents", [])]

    def _try_put(self, key: str, **options: str) -> str | None:
        """None: it was written."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=b"after", **options)
        except (ClientError, BotoCoreError) as error:
            return _refusal(error)
        return None

    def _get(self, key: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _delete(self, *keys: str) -> None:
        for key in keys:
            self._client.delete_object(Bucket=self._bucket, Key=key)


def _word(*, taken: str | None, refused: str | None, is_kept: bool) -> str:
    """What a condition is worth.

    Args:
        taken: how a write was refused whose condition holds; None: it was written.
        refused: the same of one whose condition does not hold.
        is_kept: whether the latter left the object as it was.
    """
    if refused is None:
        return "**ignored**"
    if not is_kept:
        return f"**written in spite of {refused}**"
    return "honoured" if taken is None else f"**refused** ({taken})"


def _refusal(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return type(error).__name__
