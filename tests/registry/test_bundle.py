"""A bundle comes back bit for bit; one that is damaged, crafted or foreign is refused, with what to do about it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from skops import io as skops_io

from mqlml.errors import BundleError, OutputError
from mqlml.model import LeadScorer
from mqlml.registry import Bundle, load_bundle, make_reference, save_bundle
from mqlml.registry.model_file import load_scorer, load_trees, save_scorer, save_trees
from mqlml.results import to_json_safe
from tests.conftest import ROOT
from tests.registry.versions import Made, make_version


@pytest.fixture(scope="module")
def made() -> Made:
    return make_version()


@pytest.fixture(scope="module")
def saved(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "good"
    save_bundle(made.bundle, folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(saved, tmp_path / "bundle"))


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file and the manifest with it, as one who means harm would."""
    (folder / name).write_bytes(data)
    edit_json(
        folder,
        "manifest.json",
        lambda m: m["files"].__setitem__(
            name, {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        ),
    )


def edit_json(folder: Path, name: str, edit: Callable[[Any], object]) -> None:
    values = json.loads((folder / name).read_bytes())
    edit(values)
    data = json.dumps(values).encode()
    if name == "manifest.json":
        (folder / name).write_bytes(data)
    else:
        rewrite(folder, name, data)


def test_it_predicts_the_same_to_the_bit(made: Made, saved: Path) -> None:
    loaded = load_bundle(saved)
    raw = made.bundle.scorer.decision_function(made.features)
    assert (loaded.scorer.decision_function(made.features) == raw).all()
    assert (
        loaded.scorer.predict_proba(made.features) == made.bundle.scorer.predict_proba(made.features)
    ).all()
    assert (
        loaded.calibrator.predict_proba(raw)[:, 1] == made.bundle.calibrator.predict_proba(raw)[:, 1]
    ).all()
    assert len(np.unique(raw)) > 50


def test_a_value_never_seen_predicts_the_same(made: Made, saved: Path) -> None:
    table = made.features.head(50).copy()
    for name in table.columns:
        if table[name].dtype == "str":
            table[name] = "never seen"
    loaded = load_bundle(saved).scorer
    assert (loaded.decision_function(table) == made.bundle.scorer.decision_function(table)).all()


def test_everything_else_comes_back(made: Made, saved: Path) -> None:
    loaded, bundle = load_bundle(saved), made.bundle
    for name in ("name", "policy", "plan", "config", "fingerprint", "git_commit", "created", "libraries"):
        assert getattr(loaded, name) == getattr(bundle, name), name
    assert (loaded.reference == bundle.reference).all()
    assert to_json_safe(loaded.result) == to_json_safe(bundle.result)
    assert loaded.scorer.get_params() == bundle.scorer.get_params()


def test_every_learned_attribute_comes_back(made: Made, saved: Path) -> None:
    """A new attribute of the scorer or its encoder must be saved too."""
    loaded, bundle = load_bundle(saved).scorer, made.bundle.scorer
    for ours, theirs in ((loaded, bundle), (loaded.encoder_, bundle.encoder_)):
        assert vars(ours).keys() == vars(theirs).keys()
        for name, value in vars(theirs).items():
            if name not in ("encoder_", "trees_"):  # the linear part compares by what it has learned
                assert np.array_equal(getattr(ours, name), value), name
                assert type(getattr(ours, name)) is type(value), name


def test_saving_a_loaded_bundle_changes_nothing(saved: Path, tmp_path: Path, made: Made) -> None:
    save_bundle(load_bundle(saved), tmp_path / "again")
    again = load_bundle(tmp_path / "again").scorer.decision_function(made.features)
    assert (again == made.bundle.scorer.decision_function(made.features)).all()
    for path in sorted(saved.iterdir()):
        if path.name not in ("model.skops", "manifest.json"):  # skops names its parts after memory addresses
            assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "labels",
    [[0, 1], [False, True], ["lost", "won"], np.array([0, 1], dtype=np.int8)],
    ids=["int", "bool", "text", "int8"],
)
def test_classes_of_any_kind(labels: Any) -> None:
    X = np.column_stack([np.arange(200.0), np.tile([0.0, 1.0], 100)])
    y = np.asarray(labels)[(X[:, 0] > 90).astype(int)]
    scorer = LeadScorer(n_trees=np.int64(3), learning_rate=np.float32(0.5)).fit(X, y)
    loaded = load_scorer(json.loads(json.dumps(save_scorer(scorer))), load_trees(save_trees(scorer.trees_)))
    assert (loaded.predict(X) == scorer.predict(X)).all()
    assert loaded.predict(X).dtype == scorer.predict(X).dtype
    assert not hasattr(loaded, "feature_names_in_")


@pytest.fixture(scope="module")
def blended(made: Made) -> LeadScorer:
    target = np.arange(len(made.features)) % 3 == 0
    return LeadScorer(n_trees=5, tree_weight=0.4, linear_weight=0.5).fit(made.features, target)


def test_a_blend_comes_back_to_the_bit(made: Made, blended: LeadScorer, tmp_path: Path) -> None:
    save_bundle(dataclasses.replace(made.bundle, scorer=blended), tmp_path / "blend")
    loaded = load_bundle(tmp_path / "blend").scorer
    raw = blended.decision_function(made.features)
    assert (loaded.decision_function(made.features) == raw).all()
    assert loaded.linear_ == blended.linear_
    assert loaded.prior_ == blended.prior_
    assert loaded.linear_.encoder is loaded.encoder_


@pytest.fixture(scope="module")
def paired() -> tuple[LeadScorer, pd.DataFrame]:
    """A logistic part in which two words say more together: what is good for one is bad for the other."""
    rng = np.random.default_rng(0)
    one, other = rng.choice(["a", "b"], 4_000), rng.choice(["c", "d", "e"], 4_000)
    table = pd.DataFrame({"one": one, "other": other, "x": rng.normal(size=4_000)})
    target = rng.random(4_000) < np.where((one == "a") == (other == "c"), 0.4, 0.1)
    return LeadScorer(tree_weight=0.0, linear_weight=1.0, linear_spread=3.0).fit(table, target), table


def test_pairs_of_words_come_back_to_the_bit(paired: tuple[LeadScorer, pd.DataFrame]) -> None:
    scorer, table = paired
    assert scorer.linear_ is not None
    assert scorer.linear_.pairs
    loaded = load_scorer(json.loads(json.dumps(save_scorer(scorer))), None)
    assert loaded.linear_ == scorer.linear_
    assert (loaded.decision_function(table) == scorer.decision_function(table)).all()


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda pair: pair.update(first=3), "pairs columns 3 and"),
        (lambda pair: pair.update(second=-1), "pairs columns . and -1 of 3"),
        (lambda pair: pair.update(second=2), "does not fit the pair of columns"),
        (lambda pair: pair["cells"].pop(), "does not fit the pair of columns"),
        (lambda pair: pair["cells"][0].append(0.0), "does not fit the pair of columns"),
        (lambda pair: pair["cells"][0].__setitem__(0, float("inf")), "finite number"),
    ],
    ids=["no such column", "before the first", "a number", "too few", "too many", "endless"],
)
def test_a_crafted_pair(
    paired: tuple[LeadScorer, pd.DataFrame], edit: Callable[[Any], object], match: str
) -> None:
    values = save_scorer(paired[0])
    edit(values["linear"]["pairs"][0])
    with pytest.raises(BundleError, match=match):
        load_scorer(values, None)


@pytest.mark.parametrize("linear", [0.0, 1.0], ids=["base rate alone", "linear alone"])
def test_a_scorer_without_trees_comes_back(made: Made, tmp_path: Path, linear: float) -> None:
    target = np.arange(len(made.features)) % 3 == 0
    scorer = LeadScorer(tree_weight=0.0, linear_weight=linear).fit(made.features, target)
    save_bundle(dataclasses.replace(made.bundle, scorer=scorer), tmp_path / "b")
    assert (tmp_path / "b" / "model.skops").read_bytes() == b""
    loaded = load_bundle(tmp_path / "b").scorer
    assert (loaded.decision_function(made.features) == scorer.decision_function(made.features)).all()


def test_a_version_of_before_the_blend_is_its_trees(made: Made) -> None:
    scorer = made.bundle.scorer
    values = save_scorer(scorer)
    del values["prior"], values["linear"]
    for name in ("tree_weight", "linear_weight", "linear_spread"):
        del values["settings"][name]
    loaded = load_scorer(values, load_trees(save_trees(scorer.trees_)))
    assert (loaded.decision_function(made.features) == scorer.decision_function(made.features)).all()
    assert loaded.prior_ == pytest.approx(scorer.prior_)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda v: v["linear"].update(base=float("inf")), "finite number"),
        (lambda v: v["linear"]["effects"][0].update(low=float("nan")), "finite number"),
        (lambda v: v["linear"]["effects"][0].update(code="exec"), "extra inputs"),
        (lambda v: v["linear"]["effects"].pop(), "not one effect for each matrix column"),
        (lambda v: v["linear"]["columns"].reverse(), "not one effect for each matrix column"),
        (lambda v: v["linear"]["effects"].reverse(), "does not fit the column"),
        (lambda v: v["linear"]["effects"][0].update(low=9.0, high=-9.0), "does not fit the column"),
        (lambda v: longest(v)["words"].append(0.0), "does not fit the column"),
        (lambda v: longest(v)["words"].pop(), "does not fit the column"),
        (lambda v: v.update(linear=None), "linear part and their weight, 0.5, do not go together"),
        (lambda v: v["settings"].update(linear_weight=0.0), "linear part and their weight, 0.0, do not go"),
        (
            lambda v: v["settings"].update(tree_weight=-1.0),
            "trees and their weight, -1.0, do not go together",
        ),
        (lambda v: v["settings"].update(tree_weight="x"), "trees and their weight, 'x', do not go together"),
        (lambda v: v.update(prior=float("-inf")), "finite number"),
    ],
    ids=[
        "endless base",
        "no range",
        "a key too many",
        "an effect too few",
        "other columns",
        "effects in another order",
        "range turned round",
        "a word too many",
        "a word too few",
        "no linear part",
        "a part without weight",
        "weight below 0",
        "weight a text",
        "endless prior",
    ],
)
def test_a_crafted_linear_part(blended: LeadScorer, edit: Callable[[Any], object], match: str) -> None:
    values = json.loads(json.dumps(save_scorer(blended)))
    trees = load_trees(save_trees(blended.trees_))
    load_scorer(json.loads(json.dumps(values)), trees)
    edit(values)
    with pytest.raises(BundleError, match=match):
        load_scorer(values, trees)


def longest(values: Any) -> Any:
    """The effect of the category with the most words."""
    return max(values["linear"]["effects"], key=lambda effect: len(effect.get("words", ())))


def test_the_reference_holds_the_quantiles() -> None:
    reference = make_reference(np.linspace(0, 1, 5))
    assert len(reference) == 1001
    assert reference[[0, 250, 500, 1000]].tolist() == [0.0, 0.25, 0.5, 1.0]


def test_a_bundle_goes_into_a_new_folder_only(made: Made, saved: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(OutputError, match=r"'.*good' exists already\. Name another"):
        save_bundle(made.bundle, saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    with pytest.raises(
        OutputError, match=r"cannot be written: No such file or directory; see that its folder"
    ):
        save_bundle(made.bundle, tmp_path / "no" / "such")


@pytest.mark.parametrize(
    "change",
    [
        {"reference": np.array([0.5, 0.1])},
        {"reference": np.array([0.5, np.nan])},
        {"config": []},
        {"git_commit": 7},
    ],
    ids=["reference falls", "reference nan", "config a list", "commit a number"],
)
def test_a_bundle_that_could_not_be_loaded_is_not_saved(
    made: Made, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(BundleError, match=r"\.part'|values that JSON cannot hold.*not JSON compliant"):
        save_bundle(dataclasses.replace(made.bundle, **change), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_no_json_holds(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="values that JSON cannot hold.*object is not JSON serializable"):
        save_bundle(dataclasses.replace(made.bundle, config={"when": object()}), tmp_path / "b")


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(
        BundleError, match=r"there is no bundle '.*nowhere'; name the folder of one, or train a"
    ):
        load_bundle(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match=r"there is no bundle '.*file'"):
        load_bundle(tmp_path / "file")
    with pytest.raises(BundleError, match=r"manifest\.json is missing\. Fetch or train the version again"):
        load_bundle(tmp_path)


FILES = [
    "model.skops",
    "scorer.json",
    "calibrator.json",
    "thresholds.json",
    "features.json",
    "reference.json",
    "config.json",
    "result.json",
    "fingerprint.json",
]


def test_these_are_the_files(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted([*FILES, "manifest.json"])


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing\. Fetch or train the version again"):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_one_changed_bit(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} is not the file the manifest lists"):
        load_bundle(folder)


def test_a_cut_off_file(folder: Path) -> None:
    (folder / "model.skops").write_bytes((folder / "model.skops").read_bytes()[:-1000])
    with pytest.raises(BundleError, match=r"model\.skops is not the file the manifest lists"):
        load_bundle(folder)


@pytest.mark.parametrize("name", FILES[1:])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"null", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000, b'"text"', b"7"],
    ids=["empty", "half", "list", "no keys", "null", "NaN", "not text", "deep", "text", "number"],
)
def test_a_file_of_something_else(folder: Path, name: str, content: bytes) -> None:
    rewrite(folder, name, content)
    if content == b"{}" and name == "fingerprint.json":
        assert isinstance(load_bundle(folder), Bundle)
        return
    with pytest.raises(
        BundleError, match="etch or train|train a new|train the version again|cannot be used"
    ) as error:
        load_bundle(folder)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda m: m.update(format=4), r"has the format 4; this mqlml reads up to 3\. Upgrade mqlml"),
        (lambda m: m.update(format=2), r"has the format 2 of an earlier mqlml.*reads 3; train a new version"),
        (lambda m: m.update(format="1"), "is not a manifest"),
        (lambda m: m.update(format=True), "is not a manifest"),
        (lambda m: m.pop("format"), "is not a manifest"),
        (lambda m: m.pop("name"), "at 'name': field required"),
        (lambda m: m.update(files=[]), "at 'files': input should be"),
        (lambda m: m["files"].pop("scorer.json"), r"lists missing or extra files: scorer\.json"),
        (
            lambda m: m["files"].update({"../../etc/passwd": {}}),
            r"at .files\.\.\./\.\./etc/passwd\.bytes.: field required",
        ),
        (
            lambda m: m["files"].update({"scorer.json": None}),
            r"at 'files\.scorer\.json': input should be",
        ),
        (
            lambda m: m["libraries"].update({"scikit-learn": "1.8.2"}),
            r"trained with scikit-learn 1\.8\.2, and \d.*1\.8, or",
        ),
        (
            lambda m: m["libraries"].update({"scikit-learn": "1.90.0"}),
            r"install scikit-learn 1\.90, or train a new",
        ),
        (lambda m: m["libraries"].pop("scikit-learn"), "trained with scikit-learn None"),
    ],
    ids=[
        "newer format",
        "older format",
        "format as text",
        "format as bool",
        "no format",
        "no name",
        "files a list",
        "a file not listed",
        "a file elsewhere",
        "no hash",
        "older scikit-learn",
        "newer scikit-learn",
        "no scikit-learn",
    ],
)
def test_manifests(folder: Path, edit: Callable[[Any], object], match: str) -> None:
    edit_json(folder, "manifest.json", edit)
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def test_another_patch_of_scikit_learn_will_do(folder: Path) -> None:
    edit_json(folder, "manifest.json", lambda m: m["libraries"].update({"scikit-learn": "1.9.99"}))
    assert load_bundle(folder).libraries["scikit-learn"] == "1.9.99"


def test_no_warning_from_another_patch(made: Made) -> None:
    """scikit-learn warns of any other version in the file; the manifest's rule decides here (warnings are errors)."""
    data = edit_schema(save_trees(made.bundle.scorer.trees_), b'\\"1.9.1\\"', b'\\"1.9.0\\"')
    assert isinstance(load_trees(data), HistGradientBoostingClassifier)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def edit_schema(data: bytes, old: bytes, new: bytes) -> bytes:
    contents = members(data)
    assert old in contents["schema.json"], old
    return pack({**contents, "schema.json": contents["schema.json"].replace(old, new, 1)})


def npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def edit_nodes(data: bytes, field: str, value: object) -> bytes:
    """Change one field of the second split of the first array of nodes in the file."""
    contents = members(data)
    for name, content in contents.items():
        if name.endswith(".npy"):
            array = np.load(io.BytesIO(content), allow_pickle=False)
            if array.dtype.names and (array["is_leaf"] == 0).sum() > 1:
                array[field][np.flatnonzero(array["is_leaf"] == 0)[1]] = value
                return pack({**contents, name: npy(array)})
    raise AssertionError("no nodes in the file")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("left", 2**31, "a child outside the tree"),
        ("right", 0, "before its parent"),
        ("feature_idx", 2**50, "no feature among"),
        ("is_leaf", 1, "a leaf with children"),
        ("bitset_idx", 2**31, "a split on categories"),
        ("num_threshold", np.nan, "not that of its bin"),
        ("value", np.inf, "not a log-odds"),
    ],
)
def test_a_crafted_tree_in_the_file(folder: Path, field: str, value: object, match: str) -> None:
    rewrite(folder, "model.skops", edit_nodes((folder / "model.skops").read_bytes(), field, value))
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def test_the_way_to_craft_a_tree_makes_a_file_that_loads(folder: Path) -> None:
    """The tests above fail for the value they set, not for the way they pack it."""
    data = (folder / "model.skops").read_bytes()
    rewrite(folder, "model.skops", pack(members(data)))
    load_bundle(folder)


CLASSIFIER = b'"__class__": "HistGradientBoostingClassifier"'


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda data: data[: len(data) // 2], r"cannot be read \(BadZipFile"),
        (lambda _: b"", r"its trees and their weight, 1\.0, do not go together"),
        (lambda data: b"\x80\x04." + data[:100], r"cannot be read \(BadZipFile"),
        (lambda _: pack({"schema.json": b"{"}), r"cannot be read \(JSONDecodeError"),
        (lambda _: pack({"schema.json": b"[" * 50_000}), r"cannot be read \(RecursionError"),
        (lambda _: pack({"other.json": b"{}"}), r"cannot be read \(KeyError"),
        (lambda _: pack({"schema.json": b"{}"}), r"cannot be read \(TypeError: Invalid skops protocol"),
        (
            lambda data: pack({**members(data), "x": b"0" * 10**6}, zipfile.ZIP_DEFLATED),
            "unpacks to more than its own size",
        ),
        (lambda data: edit_schema(data, CLASSIFIER, b'"__class__": "Pipeline"'), "holds a .*Pipeline"),
        (
            lambda data: edit_schema(data, b'"ObjectNode"', b'"ConstructorFromReduceNode"'),
            "as ConstructorFromReduceNode",
        ),
        (lambda data: edit_schema(data, b'"numpy"', b'"os"'), r"holds a os\.ndarray"),
        (
            lambda data: edit_schema(data, b'"builtins"', b'["builtins"]'),
            r"cannot be read \(TypeError: unhashable",
        ),
        (lambda data: edit_schema(data, b'"uint64"', b'"ndarray"'), "is no seed"),
        (lambda _: skops_io.dumps({"model": 1}), "the model is a dict"),
        (lambda _: skops_io.dumps(np.add), r"which no version of mqlml saves; do not use this file"),
        (lambda _: skops_io.dumps(np.random.default_rng(0)), "which no version of mqlml saves"),
        (lambda _: skops_io.dumps(LeadScorer()), "LeadScorer .*which no version of mqlml saves"),
    ],
    ids=[
        "half a file",
        "nothing",
        "a pickle",
        "half a schema",
        "deep schema",
        "no schema",
        "empty schema",
        "zip bomb",
        "another estimator, which skops itself would trust",
        "a constructor",
        "another module",
        "a list for a module",
        "an array for a number",
        "a dict",
        "a numpy function, which skops itself would trust",
        "a random generator, which skops itself would trust",
        "our own class",
    ],
)
def test_crafted_model_files(folder: Path, make: Callable[[bytes], bytes], match: str) -> None:
    rewrite(folder, "model.skops", make((folder / "model.skops").read_bytes()))
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def test_a_whole_estimator_has_more_in_it_than_is_let_in(made: Made) -> None:
    with pytest.raises(BundleError, match="which no version of mqlml saves"):
        load_trees(skops_io.dumps(made.bundle.scorer.trees_))


def test_an_array_that_claims_to_be_huge(folder: Path) -> None:
    contents = members((folder / "model.skops").read_bytes())
    name = next(name for name in contents if name.endswith(".npy"))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    contents[name] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    rewrite(folder, "model.skops", pack(contents))
    with pytest.raises(BundleError, match=r"cannot be read|not one that training makes"):
        load_bundle(folder)


def test_a_file_of_pickled_objects(folder: Path) -> None:
    contents = members((folder / "model.skops").read_bytes())
    name = next(name for name in contents if name.endswith(".npy"))
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    contents[name] = buffer.getvalue()
    rewrite(folder, "model.skops", pack(contents))
    with pytest.raises(BundleError, match=r"Object arrays cannot be loaded"):
        load_bundle(folder)


def test_random_damage_is_refused_or_harmless(made: Made) -> None:
    """Bytes changed anywhere in the arrays: refused, or trees that still give finite numbers (a bit of a gain)."""
    rng = np.random.default_rng(0)
    contents = members(save_trees(made.bundle.scorer.trees_))
    names = sorted((n for n in contents if n.endswith(".npy")), key=lambda n: contents[n])
    matrix = made.bundle.scorer.encoder_.transform(made.features.head(20))
    refused = 0
    for _ in range(80):
        name = names[int(rng.integers(len(names)))]
        data = bytearray(contents[name])
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        try:
            loaded = load_trees(pack({**contents, name: bytes(data)}))
        except BundleError:
            refused += 1
            continue
        assert np.isfinite(loaded.decision_function(matrix)).all()
    assert refused > 20


def twice(names: list[str]) -> None:
    names[1] = names[0]


def unused(kinds: list[str]) -> None:
    kinds[kinds.index("number")] = "unused"


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda s: s.update(extra=1), "at 'extra'"),
        (lambda s: s["settings"].update(nonsense=1), "nonsense"),
        (lambda s: s["settings"].update(n_trees=[1]), r"at 'settings\.n_trees"),
        (lambda s: s.update(classes=[1, 0]), r"its classes are \[1, 0\]"),
        (lambda s: s.update(classes=[0, 1, 2]), r"its classes are"),
        (lambda s: s.update(classes_dtype="O"), "its classes are"),
        (lambda s: s.update(classes_dtype="nonsense"), "not understood"),
        (lambda s: s["encoder"]["feature_names"].append("more"), "not one name and one kind each"),
        (lambda s: twice(s["encoder"]["feature_names"]), "not one name and one kind each"),
        (lambda s: s["encoder"]["levels"].popitem(), "its levels are not those of its categories"),
        (lambda s: s["encoder"]["levels"].update(other=["a"]), "its levels are not those of its categories"),
        (lambda s: s["encoder"]["kinds"].__setitem__(0, "date"), r"at 'encoder\.kinds\.0'"),
        (lambda s: unused(s["encoder"]["kinds"]), "matrix columns for trees of"),
        (lambda s: s["encoder"]["feature_names"].__setitem__(0, "renamed"), "levels are not|does not make"),
    ],
    ids=[
        "extra key",
        "unknown setting",
        "setting a list",
        "classes turned round",
        "three classes",
        "classes of objects",
        "classes of nothing",
        "one name more",
        "a name twice",
        "words lost",
        "words too many",
        "unknown kind",
        "a column less",
        "a column renamed",
    ],
)  # fmt: skip
def test_crafted_scorers(folder: Path, edit: Callable[[Any], object], match: str) -> None:
    edit_json(folder, "scorer.json", edit)
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def test_a_plan_of_another_model(folder: Path) -> None:
    def drop_windows(plan: Any) -> None:
        plan["features"] = [f for f in plan["features"] if f["family"] == "profile"]
        plan.update(channel=None, actions=None, undesirables=None)

    edit_json(folder, "features.json", drop_windows)
    with pytest.raises(BundleError, match="does not make the columns of its model"):
        load_bundle(folder)


def test_a_result_of_another_release(folder: Path) -> None:
    edit_json(folder, "result.json", lambda r: r["holdout"].update(ece=0.01))
    with pytest.raises(BundleError, match=r"the stored result does not fit .* 'holdout\.ece'.*train a new"):
        load_bundle(folder)


def test_thresholds_out_of_order(folder: Path) -> None:
    edit_json(folder, "thresholds.json", lambda t: t["labels"].reverse())
    with pytest.raises(BundleError, match="must hold rising thresholds"):
        load_bundle(folder)


def test_a_file_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mqlml.registry.bundle_files.MOST_BYTES", 1 << 12)
    with pytest.raises(BundleError, match=r"are larger than 0 MiB together"):
        load_bundle(folder)


def test_the_digest_and_the_name_tie_a_bundle_to_its_version(
    made: Made, folder: Path, tmp_path: Path
) -> None:
    digest = save_bundle(made.bundle, tmp_path / "other")
    assert digest == hashlib.sha256((tmp_path / "other" / "manifest.json").read_bytes()).hexdigest()
    assert load_bundle(tmp_path / "other", name="simulated", digest=digest).created == made.bundle.created
    with pytest.raises(BundleError, match=r"is a version of 'simulated', not of 'leads'"):
        load_bundle(tmp_path / "other", name="leads", digest=digest)
    # As one who means harm would: whole in itself, with every hash of the manifest rewritten.
    edit_json(folder, "calibrator.json", lambda c: c.update(slope=c["slope"] * 2))
    assert load_bundle(folder).calibrator.slope_ == made.bundle.calibrator.slope_ * 2
    with pytest.raises(BundleError, match=rf"not the one that was registered: .* tag says {digest}"):
        load_bundle(folder, digest=digest)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda f: (f / "notes.txt").write_text(""), r"holds files that no bundle has: 'notes\.txt'"),
        (lambda f: (f / ".hidden").mkdir(), r"holds files that no bundle has: '\.hidden'"),
        (lambda f: link(f / "config.json"), r"config\.json is a link or folder, not a regular file"),
        (lambda f: link(f / "manifest.json"), r"manifest\.json is a link or folder"),
        (lambda f: pipe(f / "config.json"), r"config\.json is a link or folder, not a regular file"),
    ],
    ids=["a file", "a folder", "a link", "a linked manifest", "a pipe"],
)
def test_only_a_bundle_s_own_regular_files_are_read(
    folder: Path, make: Callable[[Path], object], match: str
) -> None:
    make(folder)
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def link(path: Path) -> None:
    path.rename(path.parent.parent / path.name)
    path.symlink_to(path.parent.parent / path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c.update(slope=1e7), "its slope must be a number of at most 1e.06 log-odds"),
        (lambda c: c.update(intercept=-1e300), "its intercept must be a number of at most"),
        (lambda c: c.update(slope="1"), "is not what training writes"),
        (lambda c: c.update(slope=True), "is not what training writes|must be a number"),
        (lambda c: c.update(more=1), "is not what training writes"),
        (lambda c: c.update(note=[]), "its note is"),
        (lambda c: c.pop("note"), "is not what training writes"),
    ],
    ids=["steep", "far off", "text", "a bool", "a key too many", "a list for a note", "a key too few"],
)
def test_crafted_calibrators(folder: Path, edit: Callable[[Any], object], match: str) -> None:
    edit_json(folder, "calibrator.json", edit)
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (
            lambda t: t["labels"][1].update(threshold=1.5),
            "threshold of the label 'sql' must be between 0 and 1",
        ),
        (
            lambda t: t["labels"][0].update(threshold=-0.5),
            "threshold of the label 'mql' must be between 0 and 1",
        ),
        (lambda t: t["labels"][1].update(threshold=True), "is not what training writes|must be between"),
        (lambda t: t["labels"][0].update(label="sql"), r"its labels must be those of config\.json, mql, sql"),
        (lambda t: t["labels"][0].update(label="unqualified"), r"its labels must be those of config\.json"),
        (lambda t: t["labels"].pop(), r"its labels must be those of config\.json"),
        (lambda t: t["labels"][0]["rule"].update(policy="guess"), "the rule of the label 'mql' is invalid"),
        (
            lambda t: t["labels"][0]["rule"].update(policy="capacity"),
            "the rule of the label 'mql' is invalid",
        ),
        (lambda t: t["labels"][0]["rule"].update(min_fit=40.0), "needs the reference fit"),
        (
            lambda t: t["labels"][0].update(teams={"a": 0.1}),
            "the stored model|'teams'|teams without a rule|cannot",
        ),
        (lambda t: t["labels"][0].update(recall=2), "recall of the label 'mql' must be between 0 and 1"),
        (lambda t: t["labels"][0].update(converted=10**9), "has 1000000000 conversions of"),
        (lambda t: t["references"].update(fit=[0.5, 0.1]), "must be ascending quantiles"),
        (lambda t: t["references"].update(age=[0.1]), "must be ascending quantiles of fit or engagement"),
        (lambda t: t.update(more=1), "is not what training writes"),
    ],
    ids=[
        *("above 1", "below 0", "a bool", "a name twice", "a reserved name", "a label too few", "no policy"),
        *(
            "another policy's keys",
            "no reference",
            "teams",
            "a share above 1",
            "more converted than selected",
        ),
        *("a falling reference", "another reference", "a key too many"),
    ],
)
def test_crafted_thresholds(folder: Path, edit: Callable[[Any], object], match: str) -> None:
    edit_json(folder, "thresholds.json", edit)
    with pytest.raises(BundleError, match=match):
        load_bundle(folder)


def test_a_number_beyond_all_bounds_is_no_json(folder: Path) -> None:
    data = (folder / "calibrator.json").read_bytes().replace(b'"intercept": ', b'"intercept": 1e999, "was": ')
    rewrite(folder, "calibrator.json", data)
    with pytest.raises(BundleError, match="1e999 is no finite number"):
        load_bundle(folder)


def test_a_bundle_loads_without_mlflow_wherever_it_was_copied(
    made: Made, saved: Path, tmp_path: Path
) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere")
    code = (
        "import sys; sys.modules['mlflow'] = None; import mqlml\n"
        "print(mqlml.load_bundle('elsewhere').calibrator.slope_)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert float(done.stdout) == made.bundle.calibrator.slope_
