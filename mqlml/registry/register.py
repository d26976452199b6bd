"""Registering: one writer puts a bundle and the items of its run into an MLflow store as the next version.

The order makes a kill harmless: files first, then the version, and its alias last, so an alias always means a whole
version. A failure marks run and model as failed and registers nothing.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mqlml.registry.bundle import Bundle, save_bundle
from mqlml.registry.promotions import ChampionChange, make_champion
from mqlml.registry.run_items import (
    Measured,
    RunFile,
    RunItem,
    Setting,
    UsedData,
    make_run_items,
    save_pyfunc,
)
from mqlml.registry.store import Store, connected, find_experiment, locked
from mqlml.registry.tracking import CHALLENGER, CHAMPION, DIGEST_TAG, MODEL_TAG, Version
from mqlml.times import format_instant

if TYPE_CHECKING:
    import datetime as dt

    from mlflow import MlflowClient

__all__ = ["Registration", "register_bundle"]

_BATCH = 100
_NOT_IN_A_MODEL_NAME = str.maketrans(dict.fromkeys("/:.%\"'", "-"))


@dataclass(frozen=True)
class Registration:
    """What is shown of a version in MLflow besides its bundle.

    Attributes
    ----------
    created : datetime in UTC
        When the run started; the time of all its metrics.
    code : str
        The script that defines the MLflow model, with ``{name!r}`` and ``{digest!r}`` for those of the bundle; see
        `mqlml.scoring.SERVED_MODEL`.
    params : mapping
        What was chosen.
    tags : mapping
        Of the run, the model and the version; ``git_commit`` also under the name that MLflow's pages show.
    files : mapping of path to text
        The report and its figures, put with the run and with the model.
    description, about : str
        Markdown for the pages of the version and of the registered model.
    by : str
        Who trained it.
    """

    created: dt.datetime
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    about: str = ""
    by: str = ""


def register_bundle(
    store: Store,
    bundle: Bundle,
    registration: Registration,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Version:
    """Log a run with a bundle as its model and register it as the next version of the bundle's name.

    The first version becomes ``champion``, each later one ``challenger``.

    Parameters
    ----------
    store : Store
    bundle : Bundle
    registration : Registration
    say : function
        Told if another process must be waited for.

    Raises
    ------
    TrackingError
        If the store refuses. Nothing is registered then.
    """
    with (
        tempfile.TemporaryDirectory(prefix="mqlml-") as name,
        connected(store, create=True, say=say) as client,
    ):
        folder = Path(name)
        digest = save_bundle(bundle, folder / "bundle")
        tags = {**registration.tags, DIGEST_TAG: digest}
        items = list(make_run_items(bundle, params=registration.params, files=registration.files))
        writer = _Writer(client, find_experiment(client, store, bundle.name), bundle, registration, tags)
        with writer.whole_or_failed():
            writer.write_model(folder, items)
            about = f"{registration.about}\n\n{_link('All runs', f'{writer.experiment}/runs')}"
            with locked(store, say=say), _registered(client, bundle.name, about):
                writer.write_items(items)
                return _register(client, store, writer, tags)


def _link(text: str, page: str) -> str:
    """A link within MLflow's pages that opens them under "Model training".

    The choice between that and GenAI is the browser's: MLflow 3.17 reads it off the address, else it shows GenAI,
    whatever kind the experiment's tag names.
    """
    return f"[{text}](#/experiments/{page}?workflowType=machine_learning) (Model training)"


class _Writer:
    """Writes one run and its logged model.

    Attributes
    ----------
    experiment : str
        MLflow's number of the experiment.
    run_id, model_id, location : str
        MLflow's names of the run and the model, and where the model's files are; empty until they are made.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment: str,
        bundle: Bundle,
        registration: Registration,
        tags: Mapping[str, str],
    ) -> None:
        self._client, self.experiment = client, experiment
        self.bundle, self.registration, self._tags = bundle, registration, dict(tags)
        self._started = int(registration.created.timestamp() * 1000)
        self.run_id, self.model_id, self.location = "", "", ""

    @contextlib.contextmanager
    def whole_or_failed(self) -> Iterator[None]:
        """Open the run, and end it as finished, or as failed if anything stops it."""
        shown = dict(self._tags)
        if "git_commit" in shown:
            shown["mlflow.source.git.commit"] = shown["git_commit"]
        if self.registration.by:
            shown["mlflow.user"] = self.registration.by
        title = f"{self.bundle.name} {self.registration.created:%Y-%m-%d %H:%M}"
        run = self._client.create_run(self.experiment, start_time=self._started, tags=shown, run_name=title)
        self.run_id = run.info.run_id
        try:
            self._client.set_tag(self.run_id, "mlflow.note.content", self.description)
            yield
            self._client.set_terminated(self.run_id, "FINISHED")
        except BaseException:
            if self.model_id:
                self._client.finalize_logged_model(self.model_id, "FAILED")
            self._client.set_terminated(self.run_id, "FAILED")
            raise

    @property
    def description(self) -> str:
        """What the pages of the run, the model and the version say, with the way to the run."""
        link = _link("Open the run", f"{self.experiment}/runs/{self.run_id}")
        return f"{self.registration.description}\n\n{link}".strip()

    def write_model(self, folder: Path, items: Iterable[RunItem]) -> None:
        """Log the bundle in ``folder`` as a model of the run, with the run's settings and files."""
        from mlflow.entities import LoggedModelOutput

        model = self._client.create_logged_model(
            self.experiment,
            name=self.bundle.name.translate(_NOT_IN_A_MODEL_NAME),
            source_run_id=self.run_id,
            tags={**self._tags, "mlflow.note.content": self.description},
            params={item.key: item.value for item in items if isinstance(item, Setting)},
            model_type="lead scoring",
        )
        self.model_id, self.location = model.model_id, model.artifact_location
        files, script = folder / "model", folder / "served_model.py"
        code = self.registration.code.format(name=self.bundle.name, digest=self._tags[DIGEST_TAG])
        script.write_text(code, encoding="utf-8")
        save_pyfunc(
            files,
            self.bundle,
            folder / "bundle",
            code=script,
            model_id=self.model_id,
            run_id=self.run_id,
        )
        for item in items:
            if isinstance(item, RunFile):
                _write_file(files, item)
        self._client.log_model_artifacts(self.model_id, str(files))
        self._client.log_outputs(self.run_id, [LoggedModelOutput(self.model_id, step=0)])
        self._client.finalize_logged_model(self.model_id, "READY")

    def write_items(self, items: Iterable[RunItem]) -> None:
        """Log settings, datasets, metrics and files."""
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException

        params = [Param(item.key, item.value) for item in items if isinstance(item, Setting)]
        inputs = [_make_input(item, self._tags) for item in items if isinstance(item, UsedData)]
        try:
            self._client.log_inputs(self.run_id, inputs)
        except MlflowException:
            # Two runs that name a dataset first, at the same moment on one server: one of them fails, once.
            self._client.log_inputs(self.run_id, inputs)
        metrics = [
            Metric(
                item.key,
                item.value,
                self._started,
                0,
                model_id=self.model_id,
                dataset_name=item.data.name,
                dataset_digest=item.data.digest,
                run_id=self.run_id,
            )
            for item in items
            if isinstance(item, Measured)
        ]
        for start in range(0, max(len(params), len(metrics)), _BATCH):
            part = slice(start, start + _BATCH)
            self._client.log_batch(self.run_id, metrics=metrics[part], params=params[part])
        with tempfile.TemporaryDirectory(prefix="mqlml-") as folder:
            for item in items:
                if isinstance(item, RunFile):
                    _write_file(Path(folder), item)
            self._client.log_artifacts(self.run_id, folder)


def _write_file(folder: Path, item: RunFile) -> None:
    path = folder / item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(item.text, encoding="utf-8")


def _make_input(item: UsedData, tags: Mapping[str, str]) -> object:
    """A dataset by its fingerprint; where the data is stays out, since that is the config's secret."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    source = CodeDatasetSource(tags={name: tags[name] for name in ("mqlml", "git_commit") if name in tags})
    dataset = MetaDataset(source, name=item.name, digest=item.digest)
    marks = {"mlflow.data.context": item.context, "snapshots": str(item.rows)}
    return DatasetInput(dataset._to_mlflow_entity(), [InputTag(*mark) for mark in marks.items()])


@contextlib.contextmanager
def _registered(client: MlflowClient, name: str, about: str) -> Iterator[None]:
    """Make sure there is a registered model of this name; a new one without a version is removed again."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=about)
        made = True
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        made = False
    try:
        yield
    except BaseException:
        if made:
            client.delete_registered_model(name)
        raise


def _register(client: MlflowClient, store: Store, writer: _Writer, tags: dict[str, str]) -> Version:
    name = writer.bundle.name
    # A server finds a logged model's files by itself and distrusts other places. A database that is used directly
    # looks for the model in MLflow's global store, which is another one, and needs the place.
    on_a_server = store.artifacts is None
    kept = {**tags, MODEL_TAG: writer.model_id}
    made = client.create_model_version(
        name,
        f"models:/{writer.model_id}" if on_a_server else writer.location,
        writer.run_id,
        tags=kept,
        description=writer.description,
        await_creation_for=None,
        model_id=writer.model_id,
    )
    number = str(made.version)
    if not on_a_server:  # which would do so itself; the model's page says "not registered" otherwise
        named = json.dumps([{"name": name, "version": number}])
        client.set_logged_model_tags(writer.model_id, {"mlflow.modelVersions": named})
    alias = CHALLENGER if CHAMPION in client.get_registered_model(name).aliases else CHAMPION
    try:
        if alias == CHAMPION:
            make_champion(client, store, _first(writer, int(number), kept[DIGEST_TAG]))
        else:
            client.set_registered_model_alias(name, alias, number)
    except BaseException:
        client.delete_model_version(name, number)
        raise
    return Version(name, int(number), writer.run_id, (alias,), tuple(sorted(kept.items())))


def _first(writer: _Writer, version: int, digest: str) -> ChampionChange:
    registration = writer.registration
    return ChampionChange(
        number=0,
        model=writer.bundle.name,
        at=format_instant(registration.created),
        by=registration.by,
        action="first",
        version=version,
        previous=None,
        reason="there was no champion yet",
        evidence=None,
        bundle_sha256=digest,
    )
