"""A table of results."""

from __future__ import annotations

import html
from typing import Any, Dict, Iterator, List, Sequence


class Table:
    """Rows with named columns, as a run or an analysis has them. to_pandas() for more."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        self.title = title

    @classmethod
    def of_dicts(cls, dicts: Sequence[Dict[str, Any]], title: str = "") -> "Table":
        columns = list(dicts[0]) if dicts else []
        return cls(columns, [[one.get(c) for c in columns] for one in dicts], title)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame; what is null is NaN."""
        import pandas

        return pandas.DataFrame(self.rows, columns=self.columns)

    def __getitem__(self, column: str) -> List[Any]:
        at = self.columns.index(column)
        return [row[at] for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return (dict(zip(self.columns, row)) for row in self.rows)

    def __repr__(self) -> str:
        return f"<Table {self.title!r}: {len(self)} rows of {', '.join(self.columns)}>"

    def _repr_html_(self) -> str:
        shown = self.rows[:20]
        head = "".join(f"<th>{html.escape(c)}</th>" for c in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_text(cell))}</td>" for cell in row) + "</tr>" for row in shown
        )
        more = f"<p>{len(self) - len(shown)} more rows</p>" if len(self) > len(shown) else ""
        title = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        return f"<table>{title}<tr>{head}</tr>{body}</table>{more}"


def _text(cell: Any) -> str:
    return f"{cell:.6g}" if isinstance(cell, float) else "" if cell is None else str(cell)
