"""A package with feature functions, as another team would publish it: a wheel that pip installs into a folder."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import ROOT

DOCUMENTED = (ROOT / "docs" / "user_features.md").read_text(encoding="utf-8")


def documented_module() -> str:
    """The module that docs/user_features.md shows."""
    found = re.search(r"<!-- plugin -->\n```python\n(.*?)```", DOCUMENTED, re.DOTALL)
    assert found is not None
    return found[1]


def install(
    folder: Path, module: str, entries: dict[str, str], *, version: str = "1.0", name: str = "our_features"
) -> Path:
    """Make the wheel and let pip install it; gives the folder that goes on ``sys.path``."""
    info = f"{name}-{version}.dist-info"
    points = "\n".join(f"{key} = {name}:{value}" for key, value in entries.items())
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[mqlml.features]\n{points}\n",
    }
    record = "".join(f"{path},sha256={_hash(text)},{len(text.encode())}\n" for path, text in files.items())
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    target = folder / "site"
    quiet = ("-q", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
