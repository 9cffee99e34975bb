"""Runs: a model tuned step by step, and what is recorded of it."""

from __future__ import annotations

import atexit
import html
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Union

import torch

from ._engine import call, ops
from ._pictures import svg
from ._settings import keywords, toml
from ._task import Waiting, finished
from .circuit import Circuit
from .data import Records, Source, Texts, records
from .errors import InputError, UsageError
from .model import Graph, Model
from .ranks import current
from .table import Table

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._keywords import AnalyseSettings, TuneSettings

_FILES = ("dev", "test", "untouched", "replay")
_TEXTS = ("untouched", "replay")


class Run:
    """A run's folder, finished or not: what `circuit tune` and ct.tune write (docs/formats.md, "Run directory")."""

    def __init__(self, path: Union[str, "os.PathLike[str]"]) -> None:
        self.path = os.fspath(path)
        if not os.path.isfile(os.path.join(self.path, "run.db")):
            raise InputError(f"[{self.path}] is no run: there is no run.db in it.")

    def query(self, sql: str, title: str = "") -> Table:
        """One SELECT on run.db, which is only read."""
        return Table.of_dicts(json.loads(call(ops.query, self.path, sql)), title)

    @property
    def steps(self) -> Table:
        """A row an update: step, loss, metric, …"""
        return self.query("SELECT * FROM steps ORDER BY step", "steps")

    @property
    def evaluations(self) -> Table:
        """A row a value: step, name, value."""
        return self.query("SELECT * FROM evaluations ORDER BY step, name", "evaluations")

    @property
    def discoveries(self) -> Table:
        """A row a discovery, without its vectors."""
        names = [row["name"] for row in self.query("SELECT name FROM pragma_table_info('discoveries') WHERE type <> 'BLOB'")]
        return self.query(f"SELECT {', '.join(names)} FROM discoveries ORDER BY step", "discoveries")

    @property
    def config(self) -> str:
        """config.toml."""
        return Path(self.path, "config.toml").read_text(encoding="utf-8")

    @property
    def summary(self) -> Dict[str, Any]:
        """Values before and after, best step, parameters touched. Empty where the run is not finished."""
        rows = self.query("SELECT value FROM meta WHERE key = 'summary'")
        return json.loads(rows["value"][0]) if len(rows) else {}

    def circuit_at(self, step: Optional[int] = None, model: Optional[Model] = None) -> Circuit:
        """The circuit that was trained at a step (None: the last one), with the scores of its discovery."""
        text, scores = call(ops.recorded_circuit, self.path, -1 if step is None else step)
        found = json.loads(text)
        graph = model.graph if model is not None else Graph(found)
        return Circuit(graph, found["edges"], scores.numpy(), model)

    def plot(self, ax: Any = None) -> Any:
        """Loss, and dev/metric where there is one, by step. Returns matplotlib's axes."""
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(7, 4))
        steps = self.steps
        ax.plot(steps["step"], steps["loss"], color="tab:grey", label="loss")
        ax.set_xlabel("step")
        ax.set_ylabel("loss (nats per token)")
        points = [row for row in self.evaluations if row["name"] == "dev/metric"]
        if points:
            other = ax.twinx()
            other.plot([p["step"] for p in points], [p["value"] for p in points], marker="o", label="dev/metric")
            other.set_ylabel("dev/metric")
        return ax

    def report(self) -> Path:
        """The page of a finished run."""
        page = Path(self.path, "report.html")
        if not page.exists():
            raise InputError(f"[{self.path}] has no report.html: the run is not finished.")
        return page

    def __repr__(self) -> str:
        return f"<Run {self.path}: {len(self.query('SELECT step FROM steps'))} steps>"

    def _repr_html_(self) -> str:
        after = self.summary.get("after", {})
        before = self.summary.get("before", {})
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_number(before.get(name))}</td><td>{_number(value)}</td></tr>"
            for name, value in after.items()
        )
        table = f"<table><tr><th></th><th>before</th><th>after</th></tr>{rows}</table>" if rows else ""
        return f"<p>{html.escape(repr(self))}</p>" + svg(self.plot, (7, 4)) + table

    def __reduce__(self) -> Any:
        return Run, (self.path,)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else html.escape(str(value))


class Step(NamedTuple):
    """An update that is done. metric: of the discovery on this step, None without one. evaluation: values after the
    update, where one was due."""

    step: int
    loss: float
    metric: Optional[float]
    lr: float
    edges: int
    trainable: int
    seconds: float
    evaluation: Dict[str, float]


class Tuning(Run):
    """A run under way. Iterating over it makes its updates, one each; finish() makes the rest. Between two updates the
    model holds the last one's weights. stop(), or the end of a `with` block, ends it behind the step it is in: its folder
    can be resumed."""

    def __init__(self, path: str, begin: Any, places: Dict[str, str], total: int, made: List[str], keep: Any) -> None:
        self.path = path
        self.total = total
        self._made = made  # folders beside the run's, which go where there is no run in the end
        self.last: Optional[Step] = None
        self.result: Dict[str, Any] = {}
        self._keep = keep
        self._paused = False
        self._waiting: Optional[Waiting] = None
        try:
            self._waiting = Waiting(call(begin), places)
        except BaseException:
            self._tidy()
            raise

    def _tidy(self) -> None:
        if not os.path.exists(self.path):
            for folder in self._made:
                shutil.rmtree(folder, ignore_errors=True)

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        while self._waiting is not None:
            waiting = self._waiting
            try:
                if self._paused:
                    self._paused = False
                    waiting.task.go_on()
                events = waiting.events()
            except BaseException as error:
                if not waiting.done:  # Ctrl-C: the step that is under way is kept
                    waiting.end()
                self._waiting = None
                self._tidy()
                raise error
            for event in events:
                if event["event"] == "step":
                    self._paused = True
                    event.pop("event")
                    event["loss"] = float(event["loss"])  # "NaN" and "Infinity" are written as texts
                    self.last = Step(**event)
                    return self.last
            if waiting.done:
                self.result = json.loads(waiting.task.json())
                self._waiting = None
        raise StopIteration

    def finish(self) -> "Run":
        """Makes all updates that are left. Returns the finished run."""
        for _ in self:
            pass
        return Run(self.path)

    def stop(self) -> None:
        """Ends the run behind the step it is in, with a checkpoint."""
        if self._waiting is not None:
            self._waiting.end()
            self._waiting = None
            self._tidy()

    def __enter__(self) -> "Tuning":
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def __del__(self) -> None:
        if getattr(self, "_waiting", None) is not None:
            self.stop()

    def __repr__(self) -> str:
        done = self.last.step if self.last else 0
        if self._waiting is None:
            return f"<Run {self.path}: {done} of {self.total} updates done>"
        return f"<Run {self.path}: {done} of {self.total} updates; iterate over it, or call finish()>"


_open: "weakref.WeakSet[Tuning]" = weakref.WeakSet()  # in temporary folders


def _temporary() -> str:
    folder = tempfile.mkdtemp(prefix="circuit-run-")
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() != maker:  # a fork's end is not the run's
            return
        for run in list(_open):  # which would write on
            run.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return os.path.join(folder, "run")


def tune(
    model: Model, train: Source, *, path: Optional[Union[str, "os.PathLike[str]"]] = None, resume: bool = False, **settings: Unpack[TuneSettings]
) -> Tuning:
    """Circuit-tuning: finds the circuit every few steps and updates only its parameters. Returns a run to iterate over:

        for step in ct.tune(m, train, method="circuit", every=8, steps=300):
            print(step.loss)

    A transformers model is tuned in place: it holds the last step's weights. path: the run's folder, which must not exist;
    None: a temporary one, in run.path, which goes when Python ends (of several ranks it stays). Beside the run, path.base keeps a copy of the model as it was, for its report, its
    exports and resuming. A model that was opened from a folder stays as it is; export the run.

    settings: every key of a run's configuration (docs/formats.md), by its name where it is the only one, else with its
    section: method, steps, every (K), n (edges), lr, batch, dev, test, untouched, evaluation_every, …: `help(ct.tune)`
    lists them. dev and test take what records() takes; untouched and replay are plain text: a text file, or a list of str.
    """
    given: Dict[str, Records] = {"train": records(train)}
    chosen: Dict[str, Any] = dict(settings)
    for name in _FILES:
        file = chosen.pop(name, None)
        if file is not None:
            given[name] = Texts(file) if name in _TEXTS else records(file)
    ranks = current()
    leads = ranks is None or ranks.rank == 0
    passing = path is None and ranks is None
    if path is None:
        # Of several ranks one does not know when the others are done with it: theirs stays.
        path = _temporary() if passing else os.path.join(tempfile.mkdtemp(prefix="circuit-run-"), "run") if leads else ""
        path = path if ranks is None else ranks.from_first(path)
    folder = os.path.abspath(os.fspath(path))
    for key in ("ungrouped", "mlp_block"):
        chosen.setdefault("discovery_" + key, model._form[key])
    for taken in ("model_path", "run_path", "init"):
        if chosen.get(taken) is not None:
            raise UsageError(f"[{taken}] is given by the model and by path=.")
    values: Dict[str, Any] = {**chosen, "run_path": folder}
    kept: List[Any] = list(given.values())
    places = {r.path: r.name if r.name != "records" else key for key, r in given.items()}
    base = folder + ".base"
    values["model_path"] = base if model.hf is not None else model.folder
    copies: Dict[str, str] = {}
    for key, r in given.items():
        if r.name == "records":
            inside = os.path.join(base if model.hf is not None else folder + ".data", f"circuit-{key}{Path(r.path).suffix}")
            copies[inside] = r.path
            places[inside] = key
            values[f"data_{key}"] = inside
        else:
            values[f"data_{key}"] = os.path.abspath(r.path)

    def begin() -> None:
        toml("tune", {**chosen, "run_path": folder})
        if os.path.exists(folder):
            raise InputError(f"[path] {folder} is there already. Choose another, or give resume=True.")
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        if model.hf is not None:
            if os.path.exists(base):
                raise InputError(f"[path] {base} is there already, of another run. Remove it, or choose another path.")
            save(model, base)
        # Records of values get a place beside the run, so that it can be resumed and its data checked.
        for inside, source in copies.items():
            os.makedirs(os.path.dirname(inside), exist_ok=True)
            Path(inside).write_bytes(Path(source).read_bytes())

    if resume:
        Run(folder)
        if model.hf is not None:
            _take_base(model, base)
    elif ranks is None:
        begin()
    else:
        ranks.first_does(begin)
    text = toml("tune", values)
    total = int(chosen.get("steps") or keywords("tune")["steps"]["default"])
    engine = model.engine()
    made = [] if resume or not leads else [base] if model.hf is not None else [folder + ".data"]
    run = Tuning(folder, lambda: engine.tune(text, resume, model.threads), places, total, made, (model, kept))
    if passing:
        _open.add(run)
    return run


def _take_base(model: Model, base: str) -> None:
    """Gives the live model the values that the run began with: the checkpoint holds only what was trained since. Raises
    InputError for a model with other tensors, which is left as it is."""
    from safetensors import safe_open

    assert model.hf is not None
    parameters = dict(model.hf.named_parameters())
    files = sorted(Path(base).glob("*.safetensors"))
    values: Dict[str, torch.Tensor] = {}
    for file in files:
        with safe_open(file, "pt") as opened:
            values.update({name: opened.get_tensor(name) for name in opened.keys()})
    for name, parameter in parameters.items():
        if name not in values or values[name].shape != parameter.shape:
            raise InputError(f"[{base}] tensor '{name}': the run is of another model. Give the one that it began with.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(values[name])


def save(model: Model, folder: str) -> None:
    """Writes a transformers model as a directory: its weights as they are now, config.json and the tokenizer."""
    assert model.hf is not None
    model.hf.save_pretrained(folder)
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder)


class Analyses:
    """What a run's film says: each analysis is an attribute, made when it is asked for."""

    def __init__(self, path: str, settings: str = "", data: Optional[Records] = None) -> None:
        self.path = path
        self._settings = settings
        self._data = data
        self.known: Dict[str, str] = json.loads(call(ops.analysis_names))

    def __getattr__(self, name: str) -> "Analysis":
        known = self.__dict__.get("known", {})
        key = name.replace("_", "-")
        if key not in known:
            raise AttributeError(f"{name} is no analysis. Known: {', '.join(k.replace('-', '_') for k in known)}")
        places = {self._data.path: self._data.name} if self._data is not None else {}
        values, _ = finished(ops.analyse, self.path, key, self._settings, places=places)
        return Analysis(values)

    def __dir__(self) -> List[str]:
        return [*super().__dir__(), *(name.replace("-", "_") for name in self.known)]


class Analysis:
    """findings: sentences with numbers. tables: by name."""

    def __init__(self, values: Dict[str, Any]) -> None:
        self.name: str = values["analysis"]
        self.findings: List[str] = values["findings"]
        self.tables = {t["name"]: Table(t["columns"], t["rows"], t["title"]) for t in values["tables"]}

    def to_pandas(self) -> Any:
        """The first table."""
        return next(iter(self.tables.values())).to_pandas()

    def __repr__(self) -> str:
        return "\n".join([self.name, *self.findings])

    def _repr_html_(self) -> str:
        sentences = "".join(f"<li>{html.escape(f)}</li>" for f in self.findings)
        return f"<h4>{html.escape(self.name)}</h4><ul>{sentences}</ul>" + "".join(
            t._repr_html_() for t in self.tables.values()
        )


def analyse(
    run: Union[Run, str, "os.PathLike[str]"], *, data: Optional[Source] = None, **settings: Unpack[AnalyseSettings]
) -> Analyses:
    """The analyses of a run: ct.analyse("runs/x").trends, .overlap, .core_circuit, …

    data: records that those which load models measure on; None: the run's dev records.
    """
    path = run.path if isinstance(run, Run) else Run(run).path
    given = records(data) if data is not None else None
    values: Dict[str, Any] = {**settings, "data": given.path} if given is not None else dict(settings)
    return Analyses(path, toml("analyse", values), given)
