from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from jobs.results import sheet_html as report
from jobs.results.sheet_cards import Card, allot, cards
from jobs.results.sheet_html import render_html, words
from pipeline import schema

SUMMARY: dict[str, Any] = {
    "run_id": "2025-03-09",
    "recipe": "studio",
    "config_hash": "abc123",
    "manifest": "s3://shop/manifest.parquet",
    "output": "s3://shop/out",
    "started_at": "2025-03-09T02:00:00+00:00",
    "finished_at": "2025-03-09T02:00:15+00:00",
    "wall_s": 15.0,
    "rows": {"planned": 12345, "ok": 12340, "failed": 5, "already_done": 0},
    "failures": {"corrupt_image": 1, "not_found": 4},
    "failures_by_stage": {"fetch": 4, "matte": 1},
    "images_per_s": 0.8,
    "stage_seconds": {"fetch": 1.0, "matte": 3.0, "prompt": 0.0, "render": 4.0},
    "budget": {"max_failures": 0.05, "max_unexpected": 0, "exceeded": None},
}
FIELDS = pa.schema(
    [
        schema.SAMPLE_ID,
        schema.ID,
        schema.IMAGE,
        schema.PROMPT,
        schema.PROMPT_UNDERSTOOD,
        schema.SEED,
        schema.IMAGE_PATH,
        schema.METRICS,
        schema.timings(("fetch", "render")),
        schema.THUMBS,
        pa.field("title", pa.string()),
        pa.field("embedding", pa.list_(pa.float32())),
        pa.field("photo", pa.large_binary()),
        schema.ERROR,
    ]
)


def result_row(number: int, code: str | None = None) -> dict[str, Any]:
    sample_id = f"sku-{number:05d}"
    row: dict[str, Any] = {"sample_id": sample_id, "id": sample_id, "title": f"Cup {number}"}
    row |= {"seed": number, "embedding": [1.0], "photo": b"secret"}
    if code:
        message = f"cannot do {number}"
        error = {"stage": "fetch", "code": code, "message": message, "retryable": False}
        return row | {"error": error, "timings": {"fetch_s": 0.5, "render_s": None}}
    return row | {
        "image": {"bytes": b"full size", "path": f"{sample_id}.jpg"},
        "prompt": "wet slate",
        "prompt_understood": ["slate"],
        "image_path": f"images/{sample_id}.jpg",
        "metrics": {"coverage": 0.5, "soft_fraction": 0.01, "background_scale": 1.0},
        "timings": {"fetch_s": 0.5, "render_s": 1.5},
        "thumbs": {"source": b"s%d" % number, "cutout": b"c", "result": b"r"},
    }


def write(path: Path, rows: Sequence[dict[str, Any]], row_group_size: int = 300) -> str:
    table = pa.Table.from_pylist(list(rows), schema=FIELDS)
    pq.write_table(table, path, row_group_size=row_group_size)
    return str(path)


def test_a_signature_stays_out_of_the_sheet_and_long_addresses_too(tmp_path: Path) -> None:
    uris = ["https://me:hunter2@cdn.example.com/a.jpg?sig=hunter2", "s3://shop/" + "x" * 1000]
    rows = [result_row(number) | {"image_uri": uri} for number, uri in enumerate(uris)]
    fields = FIELDS if "image_uri" in FIELDS.names else FIELDS.append(schema.IMAGE_URI)
    pq.write_table(pa.Table.from_pylist(rows, schema=fields), tmp_path / "part.parquet")
    shown = {card.image_uri for card in cards([str(tmp_path / "part.parquet")], filesystem=None)}
    assert shown == {"https://cdn.example.com/a.jpg", f"s3://shop/{'x' * 190}…"}


class Page(HTMLParser):
    """The tags and attributes a browser would see, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


# --- reading ----------------------------------------------------------------------------------


def test_a_small_run_is_shown_whole_with_failures_last(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [result_row(2, "not_found"), result_row(3), result_row(1)])
    chosen = cards([path], filesystem=None)
    assert [card.sample_id for card in chosen] == ["sku-00001", "sku-00003", "sku-00002"]
    assert chosen[0].thumbs["source"] == b"s1"
    assert chosen[0].seconds == {"fetch": 0.5, "render": 1.5}
    assert chosen[2].seconds == {"fetch": 0.5}
    assert chosen[2].error is not None
    assert chosen[2].error["message"] == "cannot do 2"


def test_kept_values_that_python_has_not_are_shown_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [result_row(1), result_row(2)])
    days = pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32())
    moments = pa.array([0, 2**62], pa.int64()).cast(pa.timestamp("us"))
    table = pq.read_table(path).append_column("day", days).append_column("moment", moments)
    pq.write_table(table, path)
    first, second = cards([path], filesystem=None)
    assert str(first.kept["moment"]) == "1970-01-01 00:00:00"
    assert str(second.kept["day"]) == "1970-01-01"
    page = Page(render_html(SUMMARY, [first, second], kept=["day", "moment"])).text
    for far in (first.kept["day"], second.kept["moment"]):
        assert isinstance(far, str)
        assert far in page


def test_files_are_read_through_the_given_filesystem(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [result_row(1)])
    filesystem = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    assert len(cards(["a.parquet"], filesystem=filesystem)) == 1


def test_the_finished_images_are_never_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [result_row(1)])
    blank_columns(Path(path), ("image.", "photo", "embedding."))
    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(path, columns=["image"])
    assert cards([path], filesystem=None)[0].thumbs["result"] == b"r"


def blank_columns(path: Path, prefixes: tuple[str, ...]) -> None:
    """Overwrite these columns' pages, so that reading them fails."""
    group = pq.read_metadata(path).row_group(0)
    data = bytearray(path.read_bytes())
    for index in range(group.num_columns):
        chunk = group.column(index)
        if chunk.path_in_schema.startswith(prefixes):
            start = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)))
            data[start : start + chunk.total_compressed_size] = b"\xff" * (
                chunk.total_compressed_size
            )
    path.write_bytes(data)


def test_a_large_run_shows_every_code_and_an_even_spread(tmp_path: Path) -> None:
    codes = {7: "corrupt_image", **dict.fromkeys(range(500, 900), "not_found")}
    rows = [result_row(number, codes.get(number)) for number in range(3000)]
    path = write(tmp_path / "a.parquet", rows)
    chosen = cards([path], filesystem=None, max_cards=200)
    by_stratum = Counter(card.stratum for card in chosen)
    assert by_stratum == {"corrupt_image": 1, "not_found": 99, "finished": 100}
    assert len({card.sample_id for card in chosen}) == 200
    finished = [int(card.sample_id[4:]) for card in chosen if card.error is None]
    thirds = Counter(number // 1000 for number in finished)
    assert min(thirds.values()) > 15


def test_the_choice_depends_neither_on_files_nor_on_their_order(tmp_path: Path) -> None:
    rows = [result_row(number, "not_found" if number % 5 == 0 else None) for number in range(600)]
    one = write(tmp_path / "one.parquet", rows, 77)
    halves = [write(tmp_path / "b.parquet", rows[300:]), write(tmp_path / "a.parquet", rows[:300])]
    first = cards([one], filesystem=None, max_cards=50)
    assert cards(halves, filesystem=None, max_cards=50) == first


def test_a_sheet_without_cards_is_refused() -> None:
    with pytest.raises(ValueError, match="max_cards is 0"):
        cards([], filesystem=None, max_cards=0)


@given(
    st.dictionaries(st.sampled_from(["finished", "a", "b", "c", "d"]), st.integers(1, 500)),
    st.integers(1, 300),
)
def test_an_allotment_fills_the_sheet_and_forgets_no_code(
    counts: dict[str, int], max_cards: int
) -> None:
    quotas = allot(counts, max_cards)
    assert sum(quotas.values()) == min(max_cards, sum(counts.values()))
    assert all(0 <= quota <= counts.get(stratum, 0) for stratum, quota in quotas.items())
    codes = counts.keys() - {"finished"}
    if len(codes) <= max_cards:
        assert all(quotas[code] for code in codes)


# --- laying out -------------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "</style><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "a\u202egpj.exe\u2066\x00\x1b[31m",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_wherever_it_comes_from(text: str) -> None:
    def sheet(word: str) -> str:
        error = {"stage": word, "code": word, "message": word, "retryable": True}
        loud = Card(
            sample_id=word,
            prompt=word,
            final_prompt=f"{word} final",
            prompt_source=word,
            prompt_notes=(word,),
            prompt_understood=(word,),
            image_path="x.jpg",
            matting_model=word,
            generation_model=word,
            seconds={word: 1.0},
            thumbs={"source": b"1", "cutout": b"2", "result": b"3"},
            image_uri=word,
            image_sha256=word,
            decode_notes=(word,),
            kept={"title": word},
        )
        lost = Card(sample_id=word, error=error, image_uri=word, prompt=word)
        names = ("recipe", "run_id", "manifest", "output", "config_hash")
        summary = SUMMARY | dict.fromkeys(names, word)
        summary |= {"failures": {word: 1}, "failures_by_stage": {word: 1}}
        summary |= {"stage_seconds": {word: 1.0}}
        summary |= {"budget": SUMMARY["budget"] | {"exceeded": word}}
        return render_html(summary, [loud, lost], kept=["title"])

    html = sheet(text)
    calm, page = Page(sheet("calm")), Page(html)
    calm.tags.pop("b", None)  # the underlined words of a prompt
    page.tags.pop("b", None)
    assert page.tags == calm.tags
    assert {name for name, _ in page.attributes} == {name for name, _ in calm.attributes}
    assert not re.search(r"[\x00\x1b\u202e\u2066]", html)
    assert all(href.startswith(("./", "#")) for href in page.values("href"))


def test_reordering_characters_are_shown_by_number() -> None:
    page = Page(render_html(SUMMARY, [Card(sample_id="photo\u202egpj.exe")]))
    assert "photo[U+202E]gpj.exe" in page.text


def test_right_to_left_prompts_keep_their_letters() -> None:
    prompt = "\u05e9\u05d9\u05e9 \u05dc\u05d1\u05df"
    assert prompt in render_html(SUMMARY, [Card(sample_id="a", prompt=prompt)])


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("images/a b#1?.jpg", "./images/a%20b%231%3F.jpg"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("//elsewhere.example/x", ".///elsewhere.example/x"),
        ("images/caf\u00e9.jpg", "./images/caf%C3%A9.jpg"),
    ],
)
def test_a_result_links_to_its_file_and_nowhere_else(path: str, href: str) -> None:
    card = Card(sample_id="a", image_path=path, thumbs={"result": b"r"})
    assert href in Page(render_html(SUMMARY, [card])).values("href")


def test_the_policy_allows_exactly_the_script_of_the_page() -> None:
    html = render_html(SUMMARY, [Card(sample_id="a")])
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (policy,) = [value for value in Page(html).values("content") if "script-src" in value]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_nothing_is_fetched_from_anywhere() -> None:
    card = Card(sample_id="a", thumbs={"source": b"1", "cutout": b"2", "result": b"3"})
    html = render_html(SUMMARY, [card])
    page = Page(html)
    assert len(page.values("src")) == 3
    assert all(src.startswith("data:image/webp;base64,") for src in page.values("src"))
    assert page.tags["link"] == 0
    assert "url(" not in html
    assert "@import" not in html


def test_every_picture_says_what_it_shows() -> None:
    thumbs = {"source": b"1", "cutout": b"2", "result": b"3"}
    page = Page(render_html(SUMMARY, [Card(sample_id="cup", prompt="oak", thumbs=thumbs)]))
    assert page.values("alt") == [
        "Original photograph of cup",
        "Cut-out of cup",
        "Result for cup: oak",
    ]


def test_the_header_tells_the_run() -> None:
    text = " ".join(Page(render_html(SUMMARY, [])).text.split())
    for told in ("12,345", "12,340", "0.80", "15.0 s", "9 March 2025, 02:00:00 UTC", "37.5 %"):
        assert told in text
    assert "1 in matte" in text
    assert "Within budget: at most 5.0 % failed, 0 unexpected." in text


def test_a_run_over_budget_says_why() -> None:
    budget = SUMMARY["budget"] | {"exceeded": "4 of 5 rows failed."}
    text = Page(render_html(SUMMARY | {"budget": budget}, [])).text
    assert "Over budget. 4 of 5 rows failed." in text
    assert "Within budget" not in text


def test_a_run_that_did_nothing_still_has_a_sheet() -> None:
    rows = {"planned": 0, "ok": 0, "failed": 0, "already_done": 0}
    nothing: dict[str, Any] = {"failures": {}, "failures_by_stage": {}, "stage_seconds": {}}
    text = Page(render_html(SUMMARY | nothing | {"rows": rows, "images_per_s": None}, [])).text
    assert "The run had no rows to show." in text


def test_a_failed_card_gives_code_stage_message_and_address() -> None:
    error = {"stage": "fetch", "code": "storage", "message": "timed out", "retryable": True}
    card = Card(sample_id="cup", error=error, image_uri="s3://shop/cup.jpg")
    page = Page(render_html(SUMMARY, [card]))
    text = " ".join(page.text.split())
    assert "storage in fetch: timed out" in text
    assert "s3://shop/cup.jpg" in text
    assert "The next run takes this row up again." in text
    assert page.values("data-stratum") == ["storage"]


def test_only_the_columns_asked_for_are_named() -> None:
    card = Card(sample_id="cup", kept={"title": "Red cup", "margin": "secret", "brand": None})
    text = Page(render_html(SUMMARY, [card], kept=["title", "brand", "absent"])).text
    assert "Red cup" in text
    assert "secret" not in text
    assert "brand" not in text


def test_words_of_a_phrase_are_understood_one_by_one() -> None:
    effects = dict(words("Golden hour over velvet, oak", ["golden hour", "oak"]))
    assert effects["Golden"] == effects["hour"] == effects["oak"] == "understood"
    assert effects["velvet"] == "ignored"
    assert effects["over"] == ""


def test_without_a_vocabulary_no_word_is_called_ignored() -> None:
    assert {effect for _, effect in words("velvet and oak", [])} == {""}


@given(st.text(max_size=60))
def test_the_runs_of_a_prompt_add_up_to_it(prompt: str) -> None:
    assert "".join(run for run, _ in words(prompt, ["oak"])) == prompt


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "0.00 s"), (59.97, "1 min 0 s"), (3599.7, "1 h 0 min"), (90_000, "25 h 0 min")],
)
def test_durations_carry_over(seconds: float, told: str) -> None:
    assert report._duration(seconds) == told


@pytest.mark.parametrize(
    ("share", "told"), [(0, "0 %"), (0.0001, "under 0.1 %"), (0.9999, "99.9 %"), (1, "100 %")]
)
def test_percentages_never_round_something_away(share: float, told: str) -> None:
    assert report._percent(share) == told
