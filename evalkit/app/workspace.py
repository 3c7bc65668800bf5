"""The project folder opened: its configuration, store, blobs, prices and what is lent to providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import registry
from evalkit.config.project import Project, load_project
from evalkit.core.errors import ConfigError
from evalkit.core.types import Tools
from evalkit.core.units import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evalkit.config.prices import PriceTable
    from evalkit.prompts.render import Renderer
    from evalkit.sandbox.sandbox import Sandbox
    from evalkit.store.blobs import BlobDir
    from evalkit.store.database import Store
    from evalkit.store.redact import Redactor


@dataclass(frozen=True, slots=True)
class Pinned:
    """A commit that is measured from a copy of its own; `branch` is what its runs are recorded under."""

    sha: str
    branch: str | None


@dataclass(frozen=True)
class Workspace:
    """Everything that use cases share; nothing of it is opened before it is used."""

    project: Project
    environ: Mapping[str, str]
    unsafe_local: bool = False
    pinned: Pinned | None = None

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @property
    def folder(self) -> Path:
        """The store's folder."""
        return self.project.store

    @property
    def runs(self) -> Path:
        """Where the journals of runs lie, one folder each."""
        return self.folder / "runs"

    @cached_property
    def store(self) -> Store:
        """The DuckDB store."""
        from evalkit.store.database import Store

        return Store(self.folder)

    @contextmanager
    def loaded(self) -> Iterator[DuckDBPyConnection]:
        """The store with every complete journal line in it, as a read-only connection."""
        self.load_journals()
        with self.store.open(read_only=True) as connection:
            yield connection

    def load_journals(self) -> None:
        """Bring what running or killed runs have journaled into the store."""
        from evalkit.store.journals import load_all

        if self.runs.is_dir() and any(self.runs.iterdir()):
            load_all(self.store, self.runs)

    @cached_property
    def blobs(self) -> BlobDir:
        """Content-addressed files."""
        from evalkit.store.blobs import BlobDir

        return BlobDir(self.folder / "blobs")

    @cached_property
    def prices(self) -> PriceTable:
        """The dated price table with the project's own rows before the bundled ones."""
        from evalkit.config.prices import PriceTable

        return PriceTable.load(self.project.prices)

    @cached_property
    def renderer(self) -> Renderer:
        """The sandboxed templates."""
        from evalkit.prompts.render import Renderer

        return Renderer(self.root)

    @cached_property
    def sandbox(self) -> Sandbox:
        """Where code from a model runs; without isolation only where the user typed --unsafe-local."""
        from evalkit.sandbox.sandbox import Sandbox

        return Sandbox(unsafe_local=self.unsafe_local)

    @cached_property
    def redactor(self) -> Redactor:
        """Takes secrets out of everything that is written."""
        from evalkit.store.redact import Redactor

        return Redactor(self.project.secrets())

    @property
    def tools(self) -> Tools:
        """What providers may use."""
        return Tools(str(self.root), self.blobs, self.render, self.project.secret)

    def render(self, template: str, variables: Mapping[str, Any]) -> str:
        """Render a template in the sandbox."""
        return self.renderer.render(template, variables)

    def money(self, model: str | None, usage: Usage, *, batch: bool = False, on: str | None = None) -> float | None:
        """US dollars of a usage; None when a price is unknown. What runs in this process costs no money.

        `batch` = at the prices of batch calls; `on` (ISO day) leaves out prices that were published later.
        """
        if model is None:
            return None
        return 0.0 if model.startswith("local:") else self.prices.money(model, usage, batch=batch, on=on)


def redactor(environ: Mapping[str, str]) -> Redactor:
    """Takes out secrets where no project could be opened: those of the environment and of a .env found from here."""
    from evalkit.store.redact import Redactor

    return Redactor(load_project(Path(), environ=environ).secrets())


def open_workspace(start: Path, environ: Mapping[str, str]) -> Workspace:
    """The workspace of the project that `start` lies in. Raises ConfigError with everything wrong in evalkit.yaml."""
    project = load_project(
        start,
        environ=environ,
        providers=registry.names("providers").keys(),
        baselines=registry.names("baselines").keys(),
        systems=registry.names("systems").keys(),
    )
    if project.problems:
        raise ConfigError(project.problems)
    return Workspace(project, dict(environ))
