"""The storage layer against each store: leases, versions, odd keys, large objects, bad rows."""

from __future__ import annotations

import random
import threading
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError

from pipeline import storage
from pipeline.errors import ErrorCode, RowError
from pipeline.storage import Lease, PhotoReader, ReadPolicy
from pipeline.storage.retry import Backoff
from pipeline.storage.uris import address_fault, bucket_and_key

pytestmark = pytest.mark.stores

QUICK = Backoff(first_s=0.01, longest_s=0.1)
"""As often as in earnest: some stores answer 500 to names that they cannot hold."""
_TTL_S = 60.0
_RACES = 10
_LARGE_BYTES = 70_000_000
_FINAL = {ErrorCode.BAD_REQUEST, ErrorCode.NOT_FOUND}
"""What no later night will do better."""
ODD_KEYS = (
    "with space.jpg",
    "%41.jpg",
    "A.jpg",
    "100%.jpg",
    "a+b.jpg",
    unicodedata.normalize("NFC", "k\u00e4se.jpg"),
    unicodedata.normalize("NFD", "k\u00e4se.jpg"),
    "a//b.jpg",
    "a/b.jpg",
    "./c.jpg",
    "c.jpg",
    "d/../e.jpg",
    "e.jpg",
    "back\\slash.jpg",
    "back/slash.jpg",
    "trailing.jpg ",
    "trailing.jpg",
    " leading.jpg",
    'it\'s "quoted".jpg',
    "a?b=c.jpg",
    "a#b.jpg",
    "a&b;c=d,e@f.jpg",
    "\u6a21\u578b/\u978b.jpg",
    "\U0001f45f.jpg",
    "x" * 200 + ".jpg",
)
BAD_URIS = {
    "bucket with a space": "s3://b cat/x.jpg",
    "bucket with an umlaut": "s3://k\u00e4se/x.jpg",
    "bucket of one letter": "s3://x/y.jpg",
    "bucket of two letters": "s3://xy/z.jpg",
    "bucket in capitals": "s3://CAT/x.jpg",
    "bucket that is not there": "s3://no-such-bucket-here/x.jpg",
    ".. in the key": "s3://{bucket}/photographs/../x.jpg",
    ". in the key": "s3://{bucket}/./x.jpg",
    "// in the key": "s3://{bucket}/photographs//x.jpg",
    "a folder": "s3://{bucket}/photographs/",
    "a folder without its slash": "s3://{bucket}/photographs",
    "the bucket alone": "s3://{bucket}",
    "the bucket and a slash": "s3://{bucket}/",
    "a control character": "s3://{bucket}/photographs/a\x01b.jpg",
    "a line break": "s3://{bucket}/photographs/a\nb.jpg",
    "NUL": "s3://{bucket}/photographs/a\0b.jpg",
    "a key of 1,100 bytes": "s3://{bucket}/" + "y" * 1100,
    "nothing there": "s3://{bucket}/photographs/gone.jpg",
}


@pytest.fixture
def read() -> Callable[[list[str]], list[bytes | RowError]]:
    def many(uris: list[str]) -> list[bytes | RowError]:
        buckets = {f"s3://{bucket_and_key(uri)[0]}" for uri in uris if address_fault(uri) is None}
        policy = ReadPolicy(allowed_prefixes=tuple(buckets))
        reader = PhotoReader(policy, root=None, max_bytes=1000, backoff=QUICK)
        return [
            found if isinstance(found, RowError) else found.data for found in reader.read_many(uris)
        ]

    return many


def acquire(store, run: str, owner: str, ttl_s: float = _TTL_S) -> Lease:
    return Lease.acquire(run, owner=owner, ttl_s=ttl_s, is_exclusive=store.honours_conditions)


def test_a_lease_keeps_others_off_is_renewed_and_given_back(store, note) -> None:
    run = f"s3://{store.bucket()}/out/run_id=one"
    with acquire(store, run, "first", ttl_s=3.0) as lease:
        with pytest.raises(ValueError, match="first"):
            acquire(store, run, "second")
        time.sleep(4.5)  # past its ttl, but for its heartbeats
        lease.check()
        with pytest.raises(ValueError, match="first"):
            acquire(store, run, "second")
        assert not lease.lost.is_set()
    acquire(store, run, "third").release()
    note(
        "scenarios",
        "lease",
        "kept, renewed, given back" + " (one driver assumed)" * (not store.honours_conditions),
    )


def test_without_conditions_a_lease_is_refused_in_one_line_that_says_what_to_do(store) -> None:
    if store.honours_conditions:
        pytest.skip(f"{store.name} honours conditions")
    with pytest.raises(ValueError, match="--assume-single-driver") as refused:
        Lease.acquire(f"s3://{store.bucket()}/out/run_id=one", owner="one", ttl_s=_TTL_S)
    assert "\n" not in str(refused.value)


def test_of_drivers_that_ask_at_the_same_moment_one_gets_the_lease(store, note) -> None:
    if not store.honours_conditions:
        note("scenarios", "both got the lease", "not to be had: one driver is assumed")
        pytest.skip(f"{store.name} honours no conditions")
    bucket, counts = store.bucket(), []
    for race in range(_RACES):
        run, start, held, other = f"s3://{bucket}/run_id={race}", threading.Barrier(2), [], []

        def ask(owner: str, run=run, start=start, held=held, other=other) -> None:
            start.wait()
            try:
                held.append(acquire(store, run, owner))
            except ValueError as error:
                other.append(str(error))

        threads = [threading.Thread(target=ask, args=(owner,)) for owner in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(held) + len(other) == 2
        counts.append(len(held))
        for lease in held:
            lease.release()
    note("scenarios", "both got the lease", f"{sum(n > 1 for n in counts)} of {_RACES}")
    assert max(counts) == 1, counts
    assert counts.count(1) >= _RACES - 1, counts


def test_odd_keys_are_each_themselves_or_an_error_and_never_another(store, read, note) -> None:
    bucket = store.bucket()
    for number, key in enumerate(ODD_KEYS):
        with suppress(ClientError):  # not every store takes every key
            store.fill(bucket, {f"odd/{key}": f"{number} {key}".encode()})
    uris = [f"s3://{bucket}/odd/{key}" for key in ODD_KEYS]
    found = read(uris)
    versions = storage.versions(uris, backoff=QUICK)
    itself, errors, others, unseen = [], [], [], []
    for number, (key, uri, said) in enumerate(zip(ODD_KEYS, uris, found, strict=True)):
        if isinstance(said, RowError):
            assert not said.retryable, (key, said.code, str(said))
            errors.append(key)
        elif said == f"{number} {key}".encode():
            itself.append(key)
            if store.tells_versions and uri not in versions:
                unseen.append(key)
        else:
            others.append(key)
    said = f"{len(itself)} of {len(ODD_KEYS)}"
    if errors:
        said += f"; refused: {_shown(errors)}"
    if others:
        said += f"; **the store takes another key for it**: {_shown(others)}"
    if unseen:
        said += f"; no version: {_shown(unseen)}"
    note("scenarios", "odd keys", said)
    # Where the store itself knows two names as one, nobody can tell what was meant.
    assert [key for key in others if not store.renames(key)] == []


def test_a_large_object_is_sent_in_parts_and_comes_back_equal(store, note) -> None:
    uri = f"s3://{store.bucket()}/large.bin"
    data = random.Random(70).randbytes(_LARGE_BYTES)
    storage.write(uri, data)
    assert storage.read(uri) == data
    note("scenarios", "70 MB", "equal")


def test_each_bad_row_costs_itself_alone(store, read, note) -> None:
    bucket = store.bucket()
    good = [f"s3://{bucket}/photographs/{number}.jpg" for number in range(3)]
    store.fill(bucket, {f"photographs/{number}.jpg": b"%d" % number for number in range(3)})
    bad = {kind: uri.format(bucket=bucket) for kind, uri in BAD_URIS.items()}
    seen = set(good) if store.tells_versions else set()
    for kind, uri in bad.items():
        versions = storage.versions([good[0], uri, *good[1:]], backoff=QUICK)
        assert seen <= versions.keys(), (kind, dict(versions))
        assert uri not in versions, kind
    found = read([*bad.values(), *good])
    assert found[len(bad) :] == [b"0", b"1", b"2"]
    codes = {}
    for kind, said in zip(bad, found, strict=False):
        if "folder" in kind and said == b"":
            continue  # an empty file, which is no photograph
        assert isinstance(said, RowError), (kind, said)
        codes[kind] = said
    kinds = {kind: said.code.value for kind, said in codes.items()}
    again = [kind for kind, said in codes.items() if said.code not in _FINAL]
    counted = sorted(set(kinds.values()))
    summary = [f"{list(kinds.values()).count(code)} `{code}`" for code in counted]
    if len(codes) < len(bad):
        summary.append(f"{len(bad) - len(codes)} an empty file")
    note("scenarios", "bad rows", f"{len(bad)} cost themselves: {', '.join(summary)}")
    assert again == [], {kind: str(codes[kind]) for kind in again}


def test_versions_are_found_whatever_the_order_and_change_with_the_photograph(store, note) -> None:
    bucket = store.bucket()
    names = ["red/2.jpg", "red-1.jpg", "red.jpg", "red/a/3.jpg", "red0.jpg", "blue/1.jpg"]
    keys = [f"shoes/{name}" for name in names]
    keys += [f"shoes/many{number % 7}/{number}.jpg" for number in range(60)]
    keys += [f"shoes/many{number % 7}-{number}.jpg" for number in range(60)]
    store.fill(bucket, {key: key.encode() for key in keys})
    uris = [f"s3://{bucket}/{key}" for key in keys]
    before = storage.versions(uris)
    if not store.tells_versions:
        assert before == {}
        assert before.unseen.total() == len(keys)
        note("scenarios", "versions", "none: the store gives no ETag; said at the end of each run")
        return
    assert set(before) == set(uris)
    store.fill(bucket, {keys[0]: b"another photograph"})
    after = storage.versions(uris)
    assert {uri for uri in uris if before[uri] != after.get(uri)} == {uris[0]}
    note("scenarios", "versions", f"{len(keys)} of {len(keys)}, the replaced one differs")


def _shown(keys: list[str]) -> str:
    return ", ".join(f"`{key if len(key) < 30 else key[:10] + '...'}`" for key in keys)
