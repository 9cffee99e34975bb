"""Records: what is asked of a model, from Python values, tables or files."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Dict, List, Union

from .errors import InputError, UsageError

Source = Union["Records", str, "os.PathLike[str]", Iterable[Mapping[str, Any]], Any]


def _plain(value: Any) -> Any:
    """numpy's and torch's scalars and arrays as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _is_missing(value: Any) -> bool:
    return value is None or isinstance(value, float) and value != value


def _rows(source: Any) -> List[Any]:
    if hasattr(source, "to_dict") and hasattr(source, "columns"):  # pandas.DataFrame: absent values are NaN
        return source.to_dict("records")  # type: ignore[no-any-return]
    if isinstance(source, Mapping) or isinstance(source, (bytes, bytearray)):
        raise UsageError(f"[records] found a {type(source).__name__}, expected a list of records.")
    try:
        return list(source)
    except TypeError:
        raise UsageError(
            f"[records] found a {type(source).__name__}, expected a list of dicts, a DataFrame, a datasets.Dataset or a "
            "path."
        ) from None


class Records:
    """Records as the engine reads them (docs/formats.md, "Records").

    source: a path of a JSON Lines or text file; or an iterable of dicts, a pandas.DataFrame or a datasets.Dataset with the
    format's keys, as {"text": …, "counterfactual": …, "readouts": [{"correct": …, "wrong": …}]}. Token ids stand in
    "text_ids". Errors name the record: [records:3] is the third.
    """

    def __init__(self, source: Source) -> None:
        self.path: str
        self.name: str
        if isinstance(source, Records):
            self.path, self.name = source.path, source.name
            self._keep: Any = source
            return
        if isinstance(source, (str, os.PathLike)):
            self.path = self.name = os.fspath(source)
            if not Path(self.path).is_file():
                raise InputError(f"[{self.path}] there is no such file.")
            return
        lines = []
        for number, row in enumerate(_rows(source), 1):
            if not isinstance(row, Mapping):
                raise UsageError(f"[records:{number}] found a {type(row).__name__}, expected a dict.")
            kept: Dict[str, Any] = {str(k): v for k, v in row.items() if not _is_missing(v)}
            try:
                lines.append(json.dumps(kept, ensure_ascii=False, default=_plain, allow_nan=False))
            except (TypeError, ValueError) as error:
                raise UsageError(f"[records:{number}] cannot be written as JSON: {error}.") from None
        if not lines:
            raise InputError("[records] there are none.")
        handle, self.path = tempfile.mkstemp(suffix=".jsonl", prefix="circuit-records-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except UnicodeEncodeError as error:
            os.unlink(self.path)
            raise InputError(f"[records] a text is not valid Unicode: {error}.") from None
        self.name = "records"
        self._remove = weakref.finalize(self, _unlink, self.path)

    def rows(self) -> List[Dict[str, Any]]:
        """The records as dicts."""
        with open(self.path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]

    def __len__(self) -> int:
        with open(self.path, encoding="utf-8") as file:
            return sum(1 for line in file if line.strip())

    def __repr__(self) -> str:
        return f"<{len(self)} records of {self.name}>"

    def __reduce__(self) -> Any:
        if self.name != "records":
            return Records, (self.path,)
        return Records, (self.rows(),)


class Texts(Records):
    """Plain text: the path of a text file, or a list of texts, between which a line is left empty."""

    def __init__(self, source: Union[str, "os.PathLike[str]", Iterable[str]]) -> None:
        if isinstance(source, (str, os.PathLike)):
            super().__init__(source)
            return
        parts = list(source)
        for number, text in enumerate(parts, 1):
            if not isinstance(text, str):
                raise UsageError(f"[texts:{number}] found a {type(text).__name__}, expected a str: plain text, no records.")
        handle, self.path = tempfile.mkstemp(suffix=".txt", prefix="circuit-texts-")
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write("\n\n".join(parts))
        self.name = "records"
        self._remove = weakref.finalize(self, _unlink, self.path)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def records(source: Source) -> Records:
    """Records of a list of dicts, a DataFrame, a datasets.Dataset or a file. See Records."""
    return source if isinstance(source, Records) else Records(source)
