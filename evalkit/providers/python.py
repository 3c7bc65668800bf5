"""A Python callable as a candidate: `module:function`, `path/to/file.py:function`, or an object."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import importlib
import importlib.util
import inspect
import sys
import sysconfig
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from evalkit.core.errors import ErrorKind, did_you_mean
from evalkit.core.keys import canonical_json, digest
from evalkit.core.options import build
from evalkit.core.types import Context, Failure, Response, Sample, Tools

Function = Callable[..., Any]
VERSION_MARK = "__evalkit_version__"


@dataclass(frozen=True, slots=True)
class Options:
    """Which function, and how it is called.

    `function` = module:function or file.py:function, when it is not given as the model. `version` = the author's own
    version, which alone then decides whether stored answers are reused. `name` = how the candidate is shown.
    `threads` = how many calls of a sync function may run at once.
    """

    function: str | None = None
    version: str | int | None = None
    name: str | None = None
    timeout_s: float | None = None
    threads: int = 32


@dataclass(frozen=True)
class PythonCandidate:
    """Calls a function per sample.

    The function gets the `Sample`, or `sample.input["text"]` when its first parameter is called `text`; parameters
    named `ctx`, `repeat` or `seed` are filled in. It may be async; a sync one runs in a thread. It returns text, JSON
    or a `Response`; what it raises is a candidate error. `timeout_s` bounds the wait: a thread cannot be stopped.
    """

    name: str
    fingerprint: str
    function: Function
    wants: tuple[str, ...]
    reads_text: bool
    timeout_s: float | None = None
    threads: int = 32
    _pools: list[ThreadPoolExecutor] = field(default_factory=list, init=False, repr=False, compare=False)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Call the function on one sample; `seconds` is its wall time."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s):
                found = await self._call(sample, ctx)
            response = found if isinstance(found, Response) else Response(output=_json(found))
        except TimeoutError as error:
            if self.timeout_s is None or time.perf_counter() - started < self.timeout_s:
                return self._failed(error, started)
            message = f"{self.name} took longer than {self.timeout_s:g} s"
            return Response(error=Failure(ErrorKind.TIMEOUT, message), seconds=time.perf_counter() - started)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's function raises is its failure
            return self._failed(error, started)
        if response.seconds is not None:
            return response
        return replace(response, seconds=time.perf_counter() - started)

    async def close(self) -> None:
        """Let the threads go; a call that is still running is not waited for."""
        while self._pools:
            self._pools.pop().shutdown(wait=False, cancel_futures=True)

    async def _call(self, sample: Sample, ctx: Context) -> Any:
        if self.reads_text and "text" not in sample.input:
            known = ", ".join(sorted(sample.input)) or "none"
            raise ValueError(f"the function reads `text`, which sample {sample.id!r} does not have (fields: {known})")
        asked = sample.input["text"] if self.reads_text else sample
        given = {name: ctx if name == "ctx" else getattr(ctx, name) for name in self.wants}
        if _is_async(self.function):
            return await self.function(asked, **given)
        if not self._pools:
            self._pools.append(ThreadPoolExecutor(self.threads, thread_name_prefix=f"evalkit-{self.name}"))
        call = partial(contextvars.copy_context().run, self.function, asked, **given)
        found = await asyncio.get_running_loop().run_in_executor(self._pools[0], call)
        return await found if isinstance(found, Awaitable) else found

    def _failed(self, error: BaseException, started: float) -> Response:
        return Response(error=Failure(ErrorKind.CANDIDATE, _said(error)), seconds=time.perf_counter() - started)


def make(tools: Tools, model: str | None = None, **options: Any) -> PythonCandidate:
    """Load a function. Raises ValueError when the module, the file or the function is not there."""
    chosen = build(Options, options)
    target = chosen.function or model
    if target is None:
        raise ValueError("say which function: module:function or path/to/file.py:function")
    function = _load(target, Path(tools.root))
    candidate = make_from_callable(function, chosen.name or target, chosen.version, timeout_s=chosen.timeout_s)
    return replace(candidate, threads=chosen.threads)


def make_from_callable(
    function: Function, name: str | None = None, version: str | int | None = None, *, timeout_s: float | None = None
) -> PythonCandidate:
    """A candidate of a function object.

    Its fingerprint is the declared version (`version`, or the function's or module's `__evalkit_version__`), else the
    source of its module and of the user's modules that it imports at its top; code without readable source (a notebook
    cell, C) or with hidden state (a closure, an object) gets a new one each time, so its stored answers are never
    reused. Raises ValueError when the function takes no sample.
    """
    if not callable(function):
        raise TypeError(f"{function!r:.80} is not callable")
    wants, reads_text = _parameters(function)
    shown = name or str(getattr(function, "__name__", type(function).__name__))
    return PythonCandidate(shown, _fingerprint(function, version), function, wants, reads_text, timeout_s)


def _load(target: str, root: Path) -> Function:
    place, _, attribute = target.rpartition(":")
    if not place or not attribute:
        raise ValueError(f"{target!r}: write module:function or path/to/file.py:function")
    module = _file_module(root / place) if place.endswith(".py") else _module(place, root)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            hint = did_you_mean(part, [name for name in dir(found) if not name.startswith("_")])
            raise ValueError(f"{place} has no {part!r}" + (f"; {hint}" if hint else ""))
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{target} is not callable")
    return found  # type: ignore[no-any-return]


def _file_module(file: Path) -> ModuleType:
    if not file.is_file():
        raise ValueError(f"there is no file {file}")
    file = file.resolve()
    # The name carries the path, so that two files called model.py do not become one module.
    name = f"evalkit_user_{file.stem}_{hashlib.sha256(str(file).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{file} cannot be loaded: {_said(error)}") from error
    return module


def _module(name: str, root: Path) -> ModuleType:
    added = str(root) not in sys.path
    if added:
        sys.path.insert(0, str(root))
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ValueError(f"module {name!r} cannot be loaded: {_said(error)}") from error
    finally:
        if added:
            sys.path.remove(str(root))


def _said(error: BaseException) -> str:
    where = _last_line(error)
    return f"{type(error).__name__}: {error}" + (f" ({where})" if where else "")


def _parameters(function: Function) -> tuple[tuple[str, ...], bool]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return (), False
    if not parameters:
        raise ValueError(f"{getattr(function, '__name__', function)} takes no argument; it needs the sample")
    names = tuple(p.name for p in parameters[1:] if p.name in ("ctx", "repeat", "seed"))
    return names, parameters[0].name == "text"


def _fingerprint(function: Function, version: str | int | None) -> str:
    module = inspect.getmodule(function)
    name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"
    declared = version if version is not None else getattr(function, VERSION_MARK, getattr(module, VERSION_MARK, None))
    if declared is not None:
        return digest(["python", name, "version", str(declared)])
    sources = _sources(module) if module is not None and inspect.isfunction(function) else None
    # A closure, a bound object or a partial holds values that no source shows.
    if sources is None or function.__closure__:
        return digest(["python", name, "unique", uuid.uuid4().hex])
    return digest(["python", name, "source", sources])


def _sources(module: ModuleType) -> dict[str, str] | None:
    """Name -> source of a module and of the user's own modules that it imports at its top; None without a source."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        one = waiting.pop()
        if one.__name__ in found:
            continue
        try:
            found[one.__name__] = inspect.getsource(one)
        except (OSError, TypeError):
            # Code typed into a notebook or a shell has no source to hash; an import without a source is a library.
            if one is module:
                return None
            continue
        waiting.extend(_imported(one))
    return found


def _imported(module: ModuleType) -> list[ModuleType]:
    names = {
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        for value in list(vars(module).values())
    }
    # Upgrading evalkit must not ask anything again, so its own modules do not count.
    mine = [name for name in names if isinstance(name, str) and name.partition(".")[0] != "evalkit"]
    modules = [sys.modules[name] for name in sorted(mine) if name in sys.modules]
    return [one for one in modules if (file := getattr(one, "__file__", None)) and _own(Path(file))]


def _is_async(function: Function) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _json(value: Any) -> Any:
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    if hasattr(value, "tolist") and not isinstance(value, Mapping):
        value = value.tolist()
    canonical_json(value)
    return value


def _last_line(error: BaseException) -> str | None:
    """Where the user's code failed: the innermost frame that is neither evalkit's nor an installed library's."""
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename != __file__ and not frame.filename.startswith("<frozen") and _own(Path(frame.filename)):
            found = f"{Path(frame.filename).name}:{frame.lineno}"
    return found


def _own(file: Path) -> bool:
    installed = {"site-packages", "dist-packages"} & set(file.parts)
    return not installed and not file.is_relative_to(sysconfig.get_path("stdlib"))
