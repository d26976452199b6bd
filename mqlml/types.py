"""Names for the array types that travel between modules.

Only modules that compute import this one, since it imports numpy and ``mqlml --help`` must not wait for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Codes", "Floats", "Floats32", "Ints", "Labels", "Mask", "Micros", "Nodes", "Objects", "Rows"]

Floats = npt.NDArray[np.float64]

Floats32 = npt.NDArray[np.float32]

Ints = npt.NDArray[np.int64]

Micros = npt.NDArray[np.int64]
"""Times and spans in microseconds; times since 1970 in UTC."""

Codes = npt.NDArray[np.int32]
"""Places in a list of different values, −1 for missing."""

Rows = npt.NDArray[np.intp]
"""Places of rows, or of anything else that numpy indexes by."""

Labels = npt.NDArray[np.int8]
"""1 for a conversion, else 0."""

Mask = npt.NDArray[np.bool_]

Objects = npt.NDArray[np.object_]

Nodes = npt.NDArray[np.void]
"""The nodes of a tree: one structured value each."""
