"""The contact sheet of a run, `report.html`: read, laid out and written."""

from __future__ import annotations

from jobs.results.sheet_cards import cards
from jobs.results.sheet_html import render_html
from pipeline import storage
from pipeline.processes.activity import doing
from pipeline.runs.documents import read_document
from pipeline.runs.result_files import committed_files


@doing("writing the report")
def write_contact_sheet(run_uri: str) -> str:
    """Write `report.html` from a run's committed results; returns where it is.

    Raises:
        ValueError: there is no finished run in that folder.
    """
    uri = storage.absolute(run_uri)
    summary, document = read_document(uri, "report.json"), read_document(uri, "run.json")
    if summary is None or document is None:
        raise ValueError(f"{uri}: no report.json there; name the folder of a run, .../run_id=X")
    filesystem, _ = storage.arrow_filesystem(uri)
    files = [storage.arrow_filesystem(file)[1] for file in committed_files(uri)]
    html = render_html(
        summary, cards(files, filesystem=filesystem), kept=tuple(document["recipe"]["keep"])
    )
    sheet = storage.join(uri, "report.html")
    storage.write(sheet, html.encode())
    return sheet
