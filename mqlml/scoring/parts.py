"""Tables that lie in several sorted Parquet files are read in the order of the whole, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["interleave", "order_scores"]


def interleave(files: Sequence[Path], part: npt.NDArray[np.integer], rows: int) -> Iterator[pa.Table]:
    """The rows of files in a given order, so many at a time.

    Parameters
    ----------
    part : the file of each row of the whole; a file's own rows come in their order.
    rows : how many are given at a time.
    """
    readers = [_Reader(file) for file in files]
    for start in range(0, len(part), rows):
        own = part[start : start + rows]
        counts = np.bincount(own, minlength=len(files))
        found = pa.concat_tables([readers[number].take(counts[number]) for number in np.flatnonzero(counts)])
        place = np.empty(len(own), np.int64)
        place[np.argsort(own, kind="stable")] = np.arange(len(own))
        yield found.take(pa.array(place)).combine_chunks()


class _Reader:
    """The rows of one file, one after another."""

    def __init__(self, file: Path) -> None:
        self._file = pq.ParquetFile(file, pre_buffer=False)
        self._group = 0
        self._left: pa.Table | None = None

    def take(self, number: int) -> pa.Table:
        pieces = [] if self._left is None else [self._left]
        while sum(piece.num_rows for piece in pieces) < number:
            pieces.append(self._file.read_row_group(self._group, use_threads=False))
            self._group += 1
        found = pa.concat_tables(pieces)
        self._left = found.slice(number)
        return found.slice(0, number)


def order_scores(files: Sequence[Path]) -> npt.NDArray[np.int32]:
    """The file of each score, highest raw score first, then by ``lead_id``; each file is in that order."""
    keys = [pq.read_table(file, columns=["raw_score", "lead_id"], use_threads=False) for file in files]
    part = np.repeat(np.arange(len(files), dtype=np.int32), [len(table) for table in keys])
    raw = np.concatenate([table["raw_score"].to_numpy() for table in keys])
    order = np.argsort(-raw, kind="stable")
    tied = raw[order][1:] == raw[order][:-1]
    if tied.any():  # the ids are only compared where scores are equal
        ids = pd.concat([table["lead_id"].to_pandas() for table in keys], ignore_index=True)
        rows = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        frame = pd.DataFrame(
            {"raw": -raw[order[rows]], "id": ids.iloc[order[rows]].to_numpy(), "row": order[rows]}
        )
        order[rows] = frame.sort_values(["raw", "id"], kind="stable")["row"].to_numpy()
    found: npt.NDArray[np.int32] = part[order]
    return found
