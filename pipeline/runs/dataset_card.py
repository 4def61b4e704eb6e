"""The README.md of a dataset and of each of its runs: what is here, for people and for `datasets`.

Hugging Face's `load_dataset(folder)` takes a folder for what most of its files are, which are
pictures, and so passes over the table without a word. It goes by the first lines of a README.md
where there is one; every other reader passes over that file.
"""

from __future__ import annotations

import logging

from pipeline import storage

logger = logging.getLogger(__name__)

NAME = "README.md"
_DATASET = """\
---
configs:
- config_name: default
  data_files: "run_id=*/results/*.parquet"
---

# Pictures made by Backlot

Each folder `run_id=...` is a run, and each row of the Parquet files in its `results` is a picture
or the reason why there is none. A photograph that was made twice is there twice: for the newest
picture of every sample, once and under one schema, read what this writes to a new folder:

    backlot current FOLDER --materialise MERGED

The lines at the top tell `datasets.load_dataset(FOLDER)` to read the rows and not the files of
pictures. Backlot writes this file if there is none, and never changes it.
"""
_RUN = """\
---
configs:
- config_name: default
  data_files: "results/*.parquet"
---

# Pictures made by a run of Backlot

Each row of the Parquet files in `results` is a picture or the reason why there is none; the
pictures are in `images` as well, unless the recipe said otherwise. `report.html` shows some,
`run.json` says what was asked for. While there is no `_SUCCESS`, the run is not finished.

The lines at the top tell `datasets.load_dataset(FOLDER)` to read the rows and not the files of
pictures.
"""


def write_cards(run_uri: str) -> None:
    """Write what of the two is not there yet; all runs of a dataset write the same."""
    for folder, text in ((storage.parent(run_uri), _DATASET), (run_uri, _RUN)):
        uri = storage.join(folder, NAME)
        try:
            if not storage.exists(uri):
                storage.write(uri, text.encode(), content_type="text/markdown; charset=utf-8")
        except PermissionError as error:  # of whoever may write to runs alone
            logger.warning(
                "%s is left out, so load_dataset(%r) will take pictures for the dataset: %s",
                uri, folder, " ".join(str(error).split()),
            )  # fmt: skip
