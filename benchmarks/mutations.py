"""Bundles mutated at random: each is refused in words, or harmless; with its tag in place no changed one is accepted.

``python benchmarks/mutations.py --mutations 10000``: a small version is trained once. Each mutation changes the
manifest, a JSON file or the skops file of a copy, half of the time with the hashes of the manifest rewritten, as one
who means harm would. It is then loaded, without a digest and with the digest of the true bundle, and asked for
predictions. The table counts what happened; the exit code is 1 if anything but a `BundleError` was raised, a loaded
bundle gave no finite probability, a load took over ten seconds, or a changed prediction passed the digest.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mqlml.errors import BundleError
from mqlml.registry import Bundle, load_bundle, save_bundle

LONGEST = 10
ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1.5, 1e9, -1e300, 10**30, 1e-320),
    *("", "0", "nan", "\x00", "../../etc/passwd", "x" * 10_000, [], {}, [[]], [0] * 1000, {"": None}),
]


@dataclass(frozen=True)
class Predicted:
    """What a bundle says of some leads."""

    probability: bytes
    labels: tuple[str, ...]


def predict(bundle: Bundle, features: pd.DataFrame) -> Predicted:
    """Probabilities and labels; an error if they are not usable."""
    probability = bundle.calibrator.predict_proba(bundle.scorer.decision_function(features))[:, 1]
    if not (np.isfinite(probability).all() and (probability > 0).all() and (probability < 1).all()):
        raise ArithmeticError("a probability is not between 0 and 1")
    return Predicted(probability.tobytes(), tuple(bundle.policy.assign_labels(probability).tolist()))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a JSON value."""
    found, waiting = [], [value]
    while waiting:
        here = waiting.pop()
        for key, item in list(here.items()) if isinstance(here, dict) else list(enumerate(here)):
            found.append((here, key))
            if isinstance(item, dict | list):
                waiting.append(item)
    return found


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    """One value replaced, removed, doubled, renamed, nudged or exchanged with another."""
    value = json.loads(data)
    spots = places(value) if isinstance(value, dict | list) else []
    if not spots or draw.random() < 0.05:
        return json.dumps(draw.choice(ODD)).encode()
    container, key = draw.choice(spots)
    kind = draw.randrange(6)
    item = container[key]
    if kind == 0 and isinstance(item, int | float) and not isinstance(item, bool):
        container[key] = item * draw.choice([-1, 2, 10, 0.999, 1e6]) + draw.choice([0, 1, 1e-9])
    elif kind == 1:
        del container[key]
    elif kind == 2 and isinstance(container, list):
        container.insert(draw.randrange(len(container) + 1), item)
    elif kind == 3 and isinstance(container, dict):
        container[draw.choice(["more", "", f"{key} "])] = container.pop(key)
    elif kind == 4:
        other, at = draw.choice(spots)
        if isinstance(other, list) or at in other:
            container[key] = json.loads(
                json.dumps(other[at] if isinstance(other, dict) or at < len(other) else None)
            )
    else:
        container[key] = draw.choice(ODD)
    text = json.dumps(value)
    return text.encode()


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Some bytes changed, cut off, doubled or put in."""
    if not data:
        return b"\x00"
    kind, at = draw.randrange(4), draw.randrange(len(data))
    if kind == 0:
        changed = bytearray(data)
        for _ in range(draw.choice([1, 1, 4, 64])):
            changed[draw.randrange(len(data))] = draw.randrange(256)
        return bytes(changed)
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[at : at + 1000] + data[at:]
    return data[:at] + draw.randbytes(draw.choice([1, 16, 400])) + data[at:]


def mutate_skops(data: bytes, draw: random.Random) -> bytes:
    """The archive itself, its schema as JSON or text, or bytes or numbers of one of its arrays."""
    if draw.random() < 0.2:
        return mutate_bytes(data, draw)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    name = draw.choice(sorted(contents))
    if name == "schema.json" or draw.random() < 0.3:
        name = "schema.json"
        contents[name] = draw.choice([mutate_json, mutate_bytes])(contents[name], draw)
    elif draw.random() < 0.5:
        contents[name] = mutate_bytes(contents[name], draw)
    else:
        contents[name] = mutate_array(contents[name], draw)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in contents.items():
            archive.writestr(member, content)
    return buffer.getvalue()


def mutate_array(data: bytes, draw: random.Random) -> bytes:
    """One number of an array replaced by another that its type can hold."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.size == 0:
        return data
    flat = array.reshape(-1)
    at = draw.randrange(flat.size)
    field = draw.choice(array.dtype.names) if array.dtype.names else None
    column = flat if field is None else flat[field]
    if column.dtype.kind == "f":
        column[at] = draw.choice([0.0, -1.0, 1e5, 1e7, 1e300, np.inf, np.nan, float(column[at]) * 2])
    else:
        column[at] = draw.randrange(256) if draw.random() < 0.5 else np.iinfo(column.dtype).max
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def mutate(folder: Path, draw: random.Random) -> str:
    """Change one file of a bundle; the name of the kind of mutation."""
    names = sorted(path.name for path in folder.iterdir())
    name = draw.choice(
        [*names, "model.skops", "model.skops", "scorer.json", "thresholds.json", "calibrator.json"]
    )
    data = (folder / name).read_bytes()
    if name == "model.skops":
        changed = mutate_skops(data, draw)
    else:
        changed = (mutate_json if draw.random() < 0.8 else mutate_bytes)(data, draw)
    (folder / name).write_bytes(changed)
    kind = "skops" if name == "model.skops" else "manifest" if name == "manifest.json" else "json"
    if kind == "manifest" or draw.random() < 0.25:
        return kind
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][name] = {"bytes": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return f"{kind}, hashes rewritten"


def try_bundle(folder: Path, digest: str | None, true: Predicted, features: pd.DataFrame) -> str:
    """What loading and predicting comes to."""
    signal.alarm(LONGEST)
    try:
        found = predict(load_bundle(folder, digest=digest), features)
    except BundleError:
        return "refused"
    except TimeoutError:
        return "HANGS"
    except Exception as error:
        return f"FOREIGN {type(error).__name__}"
    finally:
        signal.alarm(0)
    return "same" if found == true else "other predictions"


def run(bundle: Bundle, features: pd.DataFrame, mutations: int, seed: int) -> Counter[tuple[str, str, str]]:
    """Count (kind of mutation, outcome without digest, outcome with digest)."""

    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    draw = random.Random(seed)
    counts: Counter[tuple[str, str, str]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        good, copy = Path(name) / "good", Path(name) / "copy"
        digest = save_bundle(bundle, good)
        true = predict(load_bundle(good, digest=digest), features)
        for _ in range(mutations):
            shutil.copytree(good, copy)
            kind = mutate(copy, draw)
            outcomes = (try_bundle(copy, None, true, features), try_bundle(copy, digest, true, features))
            counts[(kind, *outcomes)] += 1
            shutil.rmtree(copy)
    return counts


def find_faults(counts: Counter[tuple[str, str, str]]) -> list[str]:
    """What must not have happened."""
    return sorted(
        f"{number} x {kind}: {without} without a digest, {with_digest} with it"
        for (kind, without, with_digest), number in counts.items()
        if not {without, with_digest} <= {"refused", "same", "other predictions"}
        or with_digest == "other predictions"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--bundle", type=Path, help="a bundle's folder; a small version is trained if left out"
    )
    parser.add_argument("--features", type=Path, help="a Parquet file of its features")
    options = parser.parse_args()
    if options.bundle is None:
        from tests.registry.versions import make_version

        made = make_version()
        bundle, features = made.bundle, made.features.head(50)
    else:
        bundle, features = load_bundle(options.bundle), pd.read_parquet(options.features).head(50)
    begin = time.monotonic()
    counts = run(bundle, features, options.mutations, options.seed)
    for (kind, without, with_digest), number in sorted(counts.items()):
        print(f"{number:6}  {kind:27} without digest: {without:20} with digest: {with_digest}")
    faults = find_faults(counts)
    print(f"{counts.total()} mutations in {time.monotonic() - begin:.0f} s; {len(faults)} kinds of fault")
    print(*faults, sep="\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
