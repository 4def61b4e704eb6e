from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.storage.photographs.addresses import MOST_CHARACTERS, resolve

ROOT = "/data/shop"


@pytest.mark.parametrize(
    ("cell", "uri"),
    [
        ("a.jpg", "/data/shop/a.jpg"),
        ("images/my%20shoe #1?.jpg", "/data/shop/images/my%20shoe #1?.jpg"),
        ("/elsewhere/a.jpg", "/elsewhere/a.jpg"),
        ("//data/shop/a.jpg", "/data/shop/a.jpg"),
        ("file:///data/my%20shoe.jpg", "/data/my shoe.jpg"),
        ("file:/data/my%20shoe.jpg", "/data/my shoe.jpg"),
        ("FILE://localhost/data/a.jpg", "/data/a.jpg"),
        ("s3://b/a//b?c#d%20e.jpg", "s3://b/a//b?c#d%20e.jpg"),
        ("S3://b/k", "S3://b/k"),
        ("s3a://b/k", "s3://b/k"),
        ("S3N://b/a b.jpg", "s3://b/a b.jpg"),
        ("\ufeffs3://b/k\r\n", "s3://b/k"),
        ("https://cdn.example.com/a.jpg?x=1", "https://cdn.example.com/a.jpg?x=1"),
        ("\u200b https://cdn.example.com/a.jpg\u00a0", "https://cdn.example.com/a.jpg"),
        ("\u202ahttps://cdn.example.com/a.jpg", "https://cdn.example.com/a.jpg"),
        ('"https://cdn.example.com/a.jpg"', "https://cdn.example.com/a.jpg"),
        ("<https://cdn.example.com/a.jpg>", "https://cdn.example.com/a.jpg"),
        ("\u201chttps://cdn.example.com/a.jpg\u201d", "https://cdn.example.com/a.jpg"),
        ("'s3a://b/k'", "s3://b/k"),
        (
            "https://cdn.example.com/a?w=1&#038;h=2&#x26;q=3",
            "https://cdn.example.com/a?w=1&h=2&q=3",
        ),
        ("https://cdn.example.com/a?w&#x3D;1&amp;h&#61;2", "https://cdn.example.com/a?w=1&amp;h=2"),
        ("https:&#x2F;&#x2F;cdn.example.com&#x2F;a.jpg", "https://cdn.example.com/a.jpg"),
        ('"https&#58;&#47;&#47;cdn.example.com/a.jpg"', "https://cdn.example.com/a.jpg"),
        (
            "https://cdn.example.com/l&#039;&#233;t&eacute;.jpg",
            "https://cdn.example.com/l'ét&eacute;.jpg",
        ),
        (
            "https://cdn.example.com/a&#0;&#10;&#xD800;",
            "https://cdn.example.com/a&#0;&#10;&#xD800;",
        ),
        ("https://cdn.example.com/a.jpg#38;", "https://cdn.example.com/a.jpg#38;"),
        # URLs within URLs, as services that change pictures have them.
        ("https://i.example/plain/https://x.example/a.jpg", None),
        ("https://i.example/f:w(https://x.example/w.png,0,0)/https://x.example/a.jpg", None),
        ("https://i.example/join?of=https://x.example/a.jpg,https://x.example/b.jpg", None),
    ],
)
def test_what_can_mean_one_thing_only_is_taken(cell: str, uri: str | None) -> None:
    assert resolve(cell, against=ROOT) == (uri or cell)


SHOP = "https://cdn.example.com"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("//cdn.example.com/a.jpg", "says no scheme: write https://cdn.example.com/a.jpg"),
        ("//cdn.example.com:8080/a.jpg", "write https://cdn.example.com:8080/a.jpg"),
        ("https:/cdn.example.com/a.jpg", "is no URL: write https://cdn.example.com/a.jpg"),
        ("https:cdn.example.com/a.jpg", "write https://cdn.example.com/a.jpg"),
        (r"http:\\cdn.example.com\a.jpg", "write http://cdn.example.com/a.jpg"),
        (r"https:\/\/cdn.example.com\/a.jpg", "write https://cdn.example.com/a.jpg"),
        ("https//cdn.example.com/a.jpg", "write https://cdn.example.com/a.jpg"),
        ("HTTP;//cdn.example.com/a.jpg", "write http://cdn.example.com/a.jpg"),
        ("https%3A%2F%2Fcdn.example.com%2Fa.jpg", "write https://cdn.example.com/a.jpg"),
        ("s3:/bucket/key.jpg", "write s3://bucket/key.jpg"),
        (f"https://{SHOP}/a.jpg", "names a scheme twice: write https://cdn.example.com/a.jpg"),
        ("ttps://cdn.example.com/a.jpg", "'ttps' is no scheme that is read"),
        ("gs://bucket/a.jpg", "AWS_ENDPOINT_URL=https://storage.googleapis.com"),
        ("az://container/a.jpg", "write signed https:// links"),
        ("abfss://c@account.dfs.core.windows.net/a.jpg", "write signed https:// links"),
        ("wasbs://c@account.blob.core.windows.net/a.jpg", "write signed https:// links"),
        ("oss://bucket/a.jpg", "write s3://bucket/key, with AWS_ENDPOINT_URL"),
        ("hdfs://namenode:8020/a.jpg", "copy the pictures"),
        ("ftp://me:hunter2@example.com/a.jpg", "copy the pictures"),
        ("dbfs:/mnt/shop/a.jpg", "/dbfs/…"),
        ("://cdn.example.com/a.jpg", "says no scheme: write https://cdn.example.com/a.jpg"),
        ("hf://datasets/me/shoes/a.jpg", "write https://huggingface.co/"),
        ("zip://images/a.jpg::/data/shoes.zip", "unpack them"),
        ("file:a.jpg", "write the path alone, a.jpg"),
        ("file://images/a.jpg", "names a machine, 'images'"),
        ("file:///C:/Users/me/a.jpg", "is a path of Windows"),
        ("data:image/jpeg;base64,/9j/4AAQSkZJRg==", "put its bytes into column image"),
        ("DATA:," + "x" * 358_000, "358,006 characters"),
        ("/9j/" * 90_000, "360,000 characters"),
        (f"{SHOP}/a.jpg,{SHOP}/b.jpg", "holds 2 addresses"),
        (f"{SHOP}/a.jpg?v=1, {SHOP}/b.jpg?v=2, {SHOP}/c.jpg", "holds 3 addresses"),
        (f"{SHOP}/a.jpg|{SHOP}/b.webp", "holds 2 addresses"),
        (f"{SHOP}/a {SHOP}/b", "holds 2 addresses"),
        (f"{SHOP}/a.jpg\n{SHOP}/b.jpg", "holds 2 addresses"),
        ("s3://b/1.jpg;s3://b/2.jpg", "holds 2 addresses"),
        (f'["{SHOP}/a.jpg", "{SHOP}/b.jpg"]', "holds 2 addresses"),
        (f'["{SHOP}/a.jpg"]', f"holds more than an address: write {SHOP}/a.jpg"),
        (f'<img src="{SHOP}/a.jpg">', f"write {SHOP}/a.jpg"),
        (f"![a shoe]({SHOP}/a.jpg)", f"write {SHOP}/a.jpg"),
        (f"URL: {SHOP}/a.jpg", f"write {SHOP}/a.jpg"),
        (f'=HYPERLINK("{SHOP}/a.jpg","a shoe")', f"is a formula: write the address itself: {SHOP}"),
        ('=HYPERLINK("images/a.jpg")', "is a formula: write the address itself"),
        ("x" * (MOST_CHARACTERS + 1), "4,097 characters, an address at most 4,096"),
        ("\u200b\ufeff ", "is empty"),
    ],
)
def test_what_can_be_no_address_is_told_with_the_fix(cell: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        resolve(cell, against=ROOT)
    assert len(str(caught.value)) < 600
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "cell",
    [
        f"{SHOP}/a.jpg?X-Amz-Signature=hunter2,{SHOP}/b.jpg?X-Amz-Signature=hunter2",
        "https:/cdn.example.com/a.jpg?sig=hunter2",
        "//cdn.example.com/a.jpg?sig=hunter2",
        "//me:hunter2@cdn.example.com/a.jpg",
        "https:/me:hunter2@cdn.example.com/a.jpg",
        f'=HYPERLINK("{SHOP}/a.jpg?sig=hunter2")',
        f"see {SHOP}/a.jpg?sig=hunter2",
        "az://container/a.jpg?sig=hunter2",
        "sftp://me:hunter2@example.com/a.jpg",
        f"https://https://me:hunter2@{SHOP}",
        "file://me:hunter2@example.com/a.jpg",
    ],
)
def test_what_is_secret_in_a_cell_stays_out_of_its_message(cell: str) -> None:
    with pytest.raises(ValueError, match="write") as caught:
        resolve(cell, against=ROOT)
    assert "hunter2" not in str(caught.value)


@given(st.text(), st.sampled_from(["", "s3://", "https:/", "//", "file:", "\\\\", "'", "="]))
def test_any_cell_is_an_address_or_told_why_not(cell: str, before: str) -> None:
    for root in (ROOT, "s3://bucket/shop"):
        said = told(before + cell, against=root)
        assert 0 < len(said) < 900 + len(cell)


def told(cell: str, *, against: str) -> str:
    try:
        return resolve(cell, against=against)
    except ValueError as error:
        return str(error)
