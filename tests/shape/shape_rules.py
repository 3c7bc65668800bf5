"""The laws of shape, each a function from a file of evalkit to what is wrong in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = (
    "config",
    "data",
    "prompts",
    "providers",
    "baselines",
    "systems",
    "scorers",
    "families",
    "engine",
    "sandbox",
    "store",
    "stats",
    "gate",
    "report",
)
FLOORS = {
    "core": 0,
    **dict.fromkeys(ROOMS, 1),
    "registry": 2,
    "": 2,
    "app": 3,
    "testing": 4,
    "pytest_plugin": 5,
    "cli": 5,
    "__main__": 6,
}

# What a room, or one file of it, may import beside the standard library; `type` allows it for annotations only.
THIRD_PARTY: dict[str, set[str]] = {
    "config": {"dotenv", "jsonschema", "pydantic", "pydantic_core", "yaml"},
    "data": {"duckdb", "msgspec", "numpy"},
    "data/hub": {"datasets", "huggingface_hub"},
    "data/sklearn": {"sklearn"},
    "prompts": {"jinja2"},
    "providers": {"msgspec"},
    "providers/transport": {"aiohttp"},
    "providers/mock_server": {"uvloop"},
    "providers/openai": {"azure", "openai"},
    "providers/anthropic": {"anthropic"},
    "providers/_sdk": {"anthropic", "openai"},
    "providers/replay": {"pyarrow"},
    "providers/llamacpp": {"xllamacpp"},
    "providers/_llamacpp_server": {"xllamacpp"},
    "baselines": {
        "PIL",
        "bm25s",
        "msgspec",
        "numpy",
        "onnxruntime",
        "opendp",
        "pandas",
        "pocketsphinx",
        "rapidfuzz",
        "rapidocr",
        "scipy",
        "skimage",
        "sklearn",
        "soundfile",
        "statsforecast",
        "statsmodels",
        "threadpoolctl",
    },
    "scorers": {
        "PIL",
        "imagehash",
        "jiwer",
        "jsonschema",
        "langchain_core",
        "math_verify",
        "numpy",
        "pandas",
        "pesq",
        "pystoi",
        "pytrec_eval",
        "ragas",
        "rapidfuzz",
        "rouge_score",
        "sacrebleu",
        "scipy",
        "sdmetrics",
        "skimage",
        "sklearn",
        "soundfile",
        "speechmos",
        "threadpoolctl",
        "whisper_normalizer",
    },
    "scorers/_pattern": {"regex"},
    "scorers/_lint_driver": {"pyflakes"},
    "scorers/json_valid": {"referencing"},
    "engine": {"msgspec"},
    "store": {"duckdb", "msgspec", "numpy"},
    "stats": {"numpy", "scipy"},
    "report": {"jinja2", "markupsafe"},
    "app": {"msgspec", "numpy", "uvloop", "yaml", "type duckdb"},
    "app/api": {"pandas"},
    "cli": {"rich", "typer"},
    "pytest_plugin": {"pytest"},
}
# Runs inside the sandbox, as a program of its own: there it may print and leave.
IN_THE_SANDBOX = ("evalkit/scorers/_code_driver.py",)
CHILD_PROCESSES = ("evalkit/providers/_llamacpp_server.py",)
READ_ENVIRONMENT = ("evalkit/providers/", "evalkit/cli/", "evalkit/app/api.py")
DRAWERS = {"util", "utils", "helper", "helpers", "misc", "tools", "stuff"}


@dataclass(frozen=True)
class Import:
    """One import: the module, its line, and when it happens (`start`, `later` inside a function, `type` never)."""

    module: str
    line: int
    when: str


@dataclass(frozen=True)
class File:
    """One Python file, by its path from the project's root."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @property
    def inner(self) -> str:
        """The path inside evalkit without the ending: `core/keys`, `registry`, or an empty text for evalkit itself."""
        path = self.name.removeprefix("evalkit/").removesuffix(".py")
        return path.removesuffix("__init__").rstrip("/")

    @property
    def room(self) -> str:
        return self.inner.split("/")[0]

    @property
    def module(self) -> str:
        return "evalkit" + (f".{self.inner.replace('/', '.')}" if self.inner else "")

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, "start"))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        yield from (n for n in self.nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))

    def comment_between(self, first: int, last: int) -> bool:
        """Whether a line from `first` to `last` has a comment that says something beside codes for tools."""
        lines = self.text.splitlines()[first - 1 : last]
        return any(re.search(r"#\s*(noqa: [A-Z0-9, ]+ - )?(?!noqa|type:)\w.{8,}", line) for line in lines)


def read_package(root: Path = ROOT) -> list[File]:
    """All Python files of evalkit."""
    return [
        File(path.relative_to(root).as_posix(), path.read_text("utf-8"))
        for path in sorted((root / "evalkit").rglob("*.py"))
    ]


def _imports(node: ast.AST, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, when) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            yield from (Import(f"{base}:{alias.name}", child.lineno, when) for alias in child.names)
        elif isinstance(child, ast.Call) and _called(child) in ("import_module", "importlib.import_module"):
            yield from (Import(text, child.lineno, when) for text in _first_text(child))
        inside = child
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, "type")
            continue
        later = isinstance(inside, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports(inside, "later" if later and when == "start" else when)


def _first_text(call: ast.Call) -> Iterator[str]:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value
    elif isinstance(first, ast.JoinedStr) and isinstance(first.values[0], ast.Constant):
        yield str(first.values[0].value).rstrip(".")


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _top(module: str) -> str:
    return re.split(r"[.:]", module)[0]


def imports_go_down(file: File) -> Iterator[str]:
    """A floor imports only from below; a room never another room, nor the package's own front door."""
    here = FLOORS.get(file.room) if file.inner else FLOORS["cli"]
    if here is None:
        yield f"{file.name}:1 is in no known room: name its floor in tests/shape/shape_rules.py and pyproject.toml"
        return
    for found in file.imports:
        if found.module.startswith("."):
            yield f"{file.name}:{found.line} imports relatively: {found.module}"
        if _top(found.module) != "evalkit":
            continue
        parts = re.split(r"[.:]", found.module)
        target = parts[1] if len(parts) > 1 and parts[1] in FLOORS else ""
        if target != file.room and FLOORS[target] >= here:
            yield f"{file.name}:{found.line} imports {found.module}, which is not below it"


def third_party_stays_home(file: File) -> Iterator[str]:
    """Libraries are imported only where the architecture says."""
    allowed = THIRD_PARTY.get(file.room, set()) | THIRD_PARTY.get(file.inner, set())
    import sys

    for found in file.imports:
        top = _top(found.module)
        if not top or top == "evalkit" or top in sys.stdlib_module_names or top in allowed:
            continue
        if found.when != "type" or f"type {top}" not in allowed:
            yield f"{file.name}:{found.line} imports {top}, which {file.room or 'evalkit'} may not"


def files_are_short(file: File) -> Iterator[str]:
    """At most 400 lines."""
    lines = file.text.count("\n")
    if lines > 400:
        yield f"{file.name}:{lines} has {lines} lines, more than 400"


def functions_are_short(file: File) -> Iterator[str]:
    """At most 60 lines."""
    for function in file.functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > 60:
            yield f"{file.name}:{function.lineno} {function.name} has {lines} lines, more than 60"


def parameters_are_few(file: File) -> Iterator[str]:
    """At most 6 parameters; the options of a command line verb are its user's, and do not count."""
    for function in file.functions():
        spec = function.args
        given = [*spec.posonlyargs, *spec.args]
        options = dict(zip([a.arg for a in reversed(given)], reversed(spec.defaults), strict=False))
        counted = [
            a.arg
            for a in (*given, *spec.kwonlyargs)
            if a.arg not in ("self", "cls")
            and not (file.room == "cli" and re.match(r"typer\.|[A-Z_]+$", _text_of(options.get(a.arg))))
        ]
        if len(counted) > 6:
            yield f"{file.name}:{function.lineno} {function.name} has {len(counted)} parameters, more than 6"


def _text_of(node: ast.expr | None) -> str:
    return ast.unparse(node) if node is not None else ""


def returns_are_typed(file: File) -> Iterator[str]:
    """Every function says what it returns."""
    for function in file.functions():
        if function.returns is None:
            yield f"{file.name}:{function.lineno} {function.name} does not say what it returns"


def no_drawers(file: File) -> Iterator[str]:
    """No module named for being of use."""
    if DRAWERS & {part.strip("_") for part in file.inner.split("/")}:
        yield f"{file.name}:1 is a drawer: name it for what is in it"


def modules_say_what_they_are(file: File) -> Iterator[str]:
    """Every module begins with a docstring."""
    if not (ast.get_docstring(file.tree) or "").strip():
        yield f"{file.name}:1 has no docstring"


def annotations_are_lazy(file: File) -> Iterator[str]:
    """Every module that defines something has the future import of annotations."""
    defines = any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for n in file.nodes)
    if defines and not any(found.module == "__future__:annotations" for found in file.imports):
        yield f"{file.name}:1 lacks: from __future__ import annotations"


def only_cli_talks(file: File) -> Iterator[str]:
    """print, input and exits are the command line's, and of child processes' entry points."""
    if file.room in ("cli", "__main__") or file.name in (*CHILD_PROCESSES, *IN_THE_SANDBOX):
        return
    for node in file.nodes:
        called = _called(node) if isinstance(node, ast.Call) else ""
        if called in ("print", "input", "exit", "quit", "sys.exit", "os._exit", "SystemExit"):
            yield f"{file.name}:{node.lineno} calls {called}"


def environment_is_read_at_the_edge(file: File) -> Iterator[str]:
    """The environment is read by the command line and the providers; rooms get what they need as arguments."""
    if file.name.startswith(READ_ENVIRONMENT):
        return
    for node in file.nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv", "os.environb"):
            yield f"{file.name}:{node.lineno} reads {ast.unparse(node)}"
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        ):
            yield f"{file.name}:{node.lineno} reads the environment"


def failures_are_kept(file: File) -> Iterator[str]:
    """Nothing is swallowed: no empty handler, no broad one without a stated reason unless it raises again."""
    for node in file.nodes:
        if isinstance(node, ast.Call) and _called(node).endswith("suppress") and _broad(node.args):
            yield f"{file.name}:{node.lineno} suppresses every exception"
        if not isinstance(node, ast.ExceptHandler):
            continue
        if all(isinstance(s, ast.Pass) or _is_ellipsis(s) for s in node.body):
            yield f"{file.name}:{node.lineno} swallows an exception"
        broad = node.type is None or _broad([node.type])
        raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
        if broad and not raises and not file.comment_between(node.lineno, node.body[0].lineno):
            yield f"{file.name}:{node.lineno} catches everything and does not say why"


def _broad(caught: list[ast.expr]) -> bool:
    names = {ast.unparse(n) for c in caught for n in (c.elts if isinstance(c, ast.Tuple) else [c])}
    return bool(names & {"Exception", "BaseException"})


def _is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def nothing_is_left_over(file: File) -> Iterator[str]:
    """No notes to oneself, no functions that are yet to be written, no module state that functions rebind."""
    for number, line in enumerate(file.text.splitlines(), 1):
        if re.search(r"#.*\b(TODO|FIXME|XXX|HACK)\b", line):
            yield f"{file.name}:{number} is left over: {line.strip()}"
    for node in file.nodes:
        if isinstance(node, ast.Global):
            yield f"{file.name}:{node.lineno} rebinds a global"
    for function in file.functions():
        body = [s for s in function.body if not _is_ellipsis(s)]
        # A file beginning with _ holds bases: what they leave open, every part that builds on them writes.
        hook = file.inner.rpartition("/")[2].startswith("_") and [a.arg for a in function.args.args[:1]] == ["self"]
        if not hook and len(body) == 1 and isinstance(body[0], ast.Raise) and "NotImpl" in ast.unparse(body[0]):
            yield f"{file.name}:{function.lineno} {function.name} is not written yet"


def chance_is_seeded(file: File) -> Iterator[str]:
    """No draw from a generator that nobody seeded."""
    # A parameter called `random` is a generator that somebody seeded.
    modules = r"(np|numpy)\.random" + (r"|random" if any(found.module == "random" for found in file.imports) else "")
    for node in file.nodes:
        called = _called(node) if isinstance(node, ast.Call) else ""
        if re.fullmatch(rf"({modules})\.[a-z]\w*", called) and not (
            called.endswith("default_rng") and isinstance(node, ast.Call) and node.args
        ):
            yield f"{file.name}:{node.lineno} draws from {called}, which has no stored seed"


RULES: tuple[Callable[[File], Iterator[str]], ...] = (
    imports_go_down,
    third_party_stays_home,
    files_are_short,
    functions_are_short,
    parameters_are_few,
    returns_are_typed,
    no_drawers,
    modules_say_what_they_are,
    annotations_are_lazy,
    only_cli_talks,
    environment_is_read_at_the_edge,
    failures_are_kept,
    nothing_is_left_over,
    chance_is_seeded,
)


def start_imports(files: list[File]) -> dict[str, set[str]]:
    """Module -> modules of evalkit that it imports when it is imported itself."""
    known = {file.module for file in files}
    graph: dict[str, set[str]] = {}
    for file in files:
        found = {i.module.replace(":", ".") for i in file.imports if i.when == "start"}
        targets = {name if name in known else name.rpartition(".")[0] for name in found}
        graph[file.module] = (targets & known) - {file.module}
    return graph
