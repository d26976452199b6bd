"""The rules of the house, read off the source: who may import what, touch the disk, or know the time."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "mqlml"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(PACKAGE)) for path in MODULES]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module imported anywhere in a file, also inside functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path: Path) -> Iterator[str]:
    """The dotted name of every call: ``open``, ``time.time``, ``path.write_text``."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def room(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_one_idea_a_module(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(tree(path))
    assert docstring
    assert docstring[0].isupper() or docstring.startswith(("mqlml", "`"))


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_few_modules_import_mlflow(path: Path) -> None:
    found = [name for name in imports(path) if name.split(".")[0] == "mlflow"]
    names = ("store", "tracking", "register", "run_items", "promotions")
    assert not found or room(path) in [f"registry/{name}.py" for name in names]


def defines(path: Path, name: str) -> bool:
    """Whether a module gives this name a value."""
    return any(
        isinstance(target, ast.Name) and target.id == name
        for node in tree(path).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )


def dotted(path: Path) -> str:
    """The name a module is imported by."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


BUILDERS = [path for path in MODULES if defines(path, "BUILDER")]


def test_builders_are_found_where_the_plan_has_them() -> None:
    from mqlml.features.plan import BUILDERS as PLANNED

    found = [importlib.import_module(dotted(path)).BUILDER for path in BUILDERS]
    assert {builder.part for builder in found} == {builder.part for builder in PLANNED}


@pytest.mark.parametrize("path", BUILDERS, ids=room)
def test_a_builder_imports_no_label_and_no_other_builder(path: Path) -> None:
    found = list(imports(path))
    others = {dotted(other) for other in BUILDERS if other != path}
    assert not [name for name in found if name.startswith(("mqlml.training", "mqlml.model"))]
    assert not [name for name in found if any(name == o or name.startswith(f"{o}.") for o in others)]
    assert "outcomes" not in {
        node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)
    }, "features never look at outcomes"


def test_every_top_module_has_its_layer() -> None:
    settings = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = [name.strip() for layer in layers for name in layer.replace("|", ":").split(":")]
    top = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
    }
    assert sorted(named) == sorted(f"mqlml.{name}" for name in top)


def array_aliases(path: Path) -> list[str]:
    """Names a module gives to an array type."""
    return [
        ast.unparse(node)
        for node in tree(path).body
        if isinstance(node, ast.Assign) and re.fullmatch(r"(npt?\.)?NDArray\[.*\]", ast.unparse(node.value))
    ]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_array_types_are_named_in_one_place(path: Path) -> None:
    assert not array_aliases(path) or room(path) == "types.py"


CLOCKS = ("time.time", "time.perf_counter", "time.monotonic", "datetime.now", "datetime.utcnow", "date.today")


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_nothing_below_the_front_door_reads_the_clock(path: Path) -> None:
    found = [
        name for name in calls(path) if name.endswith(CLOCKS) or name in ("perf_counter", "Timestamp.now")
    ]
    assert not found or room(path) in ("cli/app.py", "cli/terminal.py")


DISK = (
    *("open", "os.rename", "os.replace", "os.unlink", "shutil.rmtree", "shutil.copytree"),
    *(".read_text", ".write_text", ".read_bytes", ".write_bytes", ".mkdir", ".unlink", ".touch"),
    *(".to_csv", ".to_parquet", ".read_csv", ".read_parquet", ".TemporaryDirectory", ".mkstemp"),
)
DISK_ROOMS = {
    "config/reading.py": "reads the config file",
    "features/parsers/conditions.py": "reads lists of values that rules and personas name",
    "features/parsers/job_title.py": "reads its table, which comes with the package, and the rows that the user adds",
    "features/parsers/company.py": "reads its list, which comes with the package",
    "journeys/sources.py": "reads what the user brings",
    "journeys/csvfile.py": "reads what the user brings",
    "journeys/partitions.py": "keeps events too many for memory in parts",
    "journeys/databases.py": "keeps copies of tables in databases",
    "scoring/job.py": "keeps finished parts of scores",
    "simulate/simulation.py": "writes what a user would bring",
    "registry/bundle.py": "saves and loads versions",
    "registry/bundle_files.py": "reads the files of versions",
    "registry/register.py": "puts versions into MLflow",
    "registry/holdout_log.py": "keeps the record of opened periods beside an embedded store",
    "registry/store.py": "creates and locks the embedded store",
    "registry/tracking.py": "keeps versions in MLflow",
    "commands/partitioned_table.py": "keeps the parts of a table too large for memory",
    "commands/table.py": "puts a table into a folder",
    "render/tracked.py": "reads the page's style, which comes with the package",
    "registry/promotions.py": "keeps the history of champions beside an embedded store",
    "scoring/sinks.py": "writes results, whole or not at all",
    "scoring/earlier.py": "reads what an earlier run wrote",
    "scoring/stored.py": "reads what earlier runs wrote",
    "cli/scores.py": "makes folders for what it writes",
}


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_few_rooms_touch_the_disk(path: Path) -> None:
    found = [
        name for name in calls(path) if name in DISK or ("." in name and f".{name.split('.')[-1]}" in DISK)
    ]
    assert not found or room(path) in DISK_ROOMS


def converted_by_hand(path: Path) -> list[str]:
    """Code that turns instants into integers or back, or names an integer for a missing one, on its own."""
    nodes = list(ast.walk(tree(path)))
    texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings may name a dtype
    found = [
        node
        for node in nodes
        if isinstance(node, ast.Constant)
        and id(node) not in texts
        and str(node.value).startswith(("datetime64[", "M8[", "<M8["))
    ]
    found += [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "asi8"]
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        unit = "unit" in {keyword.arg for keyword in node.keywords}
        integer = [ast.unparse(one) for one in node.args] in (["np.int64"], ["'int64'"], ["int"])
        if (
            name in ("datetime64", "fromtimestamp", "utcfromtimestamp")
            or (name == "iinfo" and integer)
            or (
                name in ("astype", "view")
                and integer
                and {"dt", "as_unit"} & set(re.findall(r"\w+", ast.unparse(node.func)))
            )
            or (name in ("Timestamp", "to_datetime", "DatetimeIndex") and unit)
        ):
            found.append(node)
    return [ast.unparse(node) for node in found]


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_times_are_converted_in_one_place(path: Path) -> None:
    assert not converted_by_hand(path) or room(path) == "times.py"


@pytest.mark.parametrize(
    "code",
    [
        'ticks = times.to_numpy("datetime64[us]").view(np.int64)',
        'times = pd.Series(ticks, dtype="datetime64[us, UTC]")',
        'times = ticks.view(f"datetime64[{unit}]")',
        'times = ticks.astype("M8[us]")',
        "ticks = pd.DatetimeIndex(times).asi8",
        'ticks = times.dt.as_unit("us").astype("int64").to_numpy()',
        "never = np.iinfo(np.int64).max",
        'start = pd.Timestamp(first, unit="us", tz="UTC")',
        "start = dt.datetime.fromtimestamp(first / 1e6, dt.UTC)",
    ],
)
def test_a_conversion_by_hand_is_found(code: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(f'"""A column of datetime64[us, UTC]."""\n{code}\n', encoding="utf-8")
    assert converted_by_hand(module)


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_no_global_random_state(path: Path) -> None:
    seeded = ("default_rng", "Generator", "SeedSequence", "RandomState", "PCG64", "Philox", "spawn")
    bad = [
        name
        for name in calls(path)
        if name.startswith(("np.random.", "numpy.random.", "random.")) and not name.endswith(seeded)
    ]
    assert not bad


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom mqlml.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'mlflow', 'sklearn', 'pandas', 'numpy', 'numba', 'duckdb', 'pyarrow', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "score" in done.stdout


def test_importing_the_package_is_light() -> None:
    code = "import sys, mqlml; assert not {'pandas', 'sklearn', 'mlflow'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_nightly_job_does_not_wait_for_the_report() -> None:
    code = (
        "import sys, mqlml.commands.score\n"
        "heavy = {'mlflow', 'jinja2', 'mqlml.render.report', 'mqlml.commands.train'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_can_be_had() -> None:
    import mqlml

    for name in mqlml.__all__:
        assert getattr(mqlml, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'scoer'"):
        _ = mqlml.scoer


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_a_feature_s_name_is_made_in_one_place_and_taken_apart_in_none(path: Path) -> None:
    """What divides the parts of a name stands in the function that makes it, and nowhere else."""
    found = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and node.value == "__"]
    assert len(found) == (1 if room(path) == "features/catalogue.py" else 0)
    if room(path).startswith(("features/", "insight/")):
        read = ("startswith", "endswith", "removeprefix", "removesuffix", "partition")
        assert not [name for name in calls(path) if name.split(".")[-1] in read]
