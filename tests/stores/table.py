"""What the suite measured, as Markdown tables with a line for each store."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "stores.md"
_NONE = "-"
"""What was not tried."""


class Tables:
    """Cells by table, store and column, in the order in which they came."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))

    def note(self, table: str, store: str, column: str, said: str) -> None:
        """Fill in a cell, or fill it anew."""
        self._cells[table][store][column] = said.replace("|", "\\|")

    def __bool__(self) -> bool:
        return bool(self._cells)

    def __iter__(self):
        """Each table's name and text."""
        for name, rows in self._cells.items():
            yield name, _text(rows)

    def write_into(self, document: Path) -> None:
        """Put each table between its two marks; cells of what was not tried stay."""
        text = document.read_text(encoding="utf-8")
        for name, rows in self._cells.items():
            begin, end = f"<!-- {name}: written by `make stores DOCS=1` -->\n", f"<!-- /{name} -->"
            head, found, rest = text.partition(begin)
            old, closed, tail = rest.partition(end)
            if not (found and closed):
                raise ValueError(f"{document}: no place for the table {name!r}")
            before = _rows(old)
            merged = before | {at: before.get(at, {}) | cells for at, cells in rows.items()}
            text = f"{head}{begin}{_text(dict(sorted(merged.items())))}{end}{tail}"
        document.write_text(text, encoding="utf-8")


def _text(rows: dict[str, dict[str, str]]) -> str:
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    lines = [["store", *columns], ["---"] * (1 + len(columns))]
    lines += [[store, *(cells.get(c, _NONE) for c in columns)] for store, cells in rows.items()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(text: str) -> dict[str, dict[str, str]]:
    lines = [
        [cell.strip() for cell in line.strip().strip("|").replace("\\|", "\0").split(" | ")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    if not lines:
        return {}
    (_, *columns), _, *rest = lines
    return {
        store: {
            column: cell.replace("\0", "\\|")
            for column, cell in zip(columns, cells, strict=True)
            if cell != _NONE
        }
        for store, *cells in rest
    }
