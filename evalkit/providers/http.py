"""Any JSON endpoint as a candidate: the request is a template, the answer is found by a path."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from evalkit.core.errors import ErrorKind, did_you_mean
from evalkit.core.keys import digest
from evalkit.core.options import build
from evalkit.core.types import Context, Failure, Request, Response, Sample, Tools
from evalkit.core.units import UNITS
from evalkit.providers import _files
from evalkit.providers._failures import ErrorBody, failure_of
from evalkit.providers.transport import CallFailed, RawReply, Transport

METHODS = ("GET", "POST", "PUT", "PATCH")
RETURNS = ("json", "file")
_SECRET = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_HEADER = re.compile(r"(?i)authorization|cookie|api-?key|token$|secret")
_STEP = re.compile(r"""\.?([^.\[\]"'$]+)|\[(-?\d+)\]|\[(["'])(.*?)\3\]""")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """Where to ask and how to read the answer.

    `url` and the strings of `body` are templates over `input`, its fields, `sample` and `repeat`; in `body`,
    {"$json": template} becomes the JSON that the template writes and {"$base64": field} the content of a stored file.
    `headers` may hold ${NAME} of an environment variable, which is read when the request is sent and never stored.
    `output` and the values of `usage` (by unit) are paths into the reply, such as `choices[0].text`; without `output`
    the whole reply is the answer. With `returns` = file the answer is a file (picture, recording): the reply, or in
    a JSON reply the base64 text or data URL at `output`. `timeout_s` > 0 bounds one attempt. `version` changes the
    fingerprint.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    output: str | None = None
    returns: str = "json"
    usage: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    version: str | int | None = None


@dataclass(eq=False)
class HttpCandidate:
    """Asks a JSON endpoint (`Candidate`, `Sends` and `Closes`)."""

    name: str
    model: str
    lane: str
    fingerprint: str
    options: Options
    tools: Tools
    output: Path
    usage: Mapping[str, Path]
    transport: Transport

    def request(self, sample: Sample, repeat: int) -> Request:
        """The rendered request. Raises ValueError when a template needs what the sample does not have."""
        about = {"id": sample.id, "tags": sample.tags, "meta": sample.meta}
        variables = {**sample.input, "input": sample.input, "sample": about, "repeat": repeat}
        try:
            url = self._render(self.options.url, variables)
            body = self._fill(self.options.body, variables)
        except ValueError as error:
            raise ValueError(f"sample {sample.id!r}: {error}") from None
        return Request(f"http {self.options.method} {url}", {"headers": dict(self.options.headers), "body": body})

    async def send(self, request: Request) -> Response:
        """One attempt on the wire."""
        started = time.perf_counter()
        try:
            headers = {"content-type": "application/json", **self._headers(request.body["headers"])}
            content = request.body["body"]
            body = None if content is None else json.dumps(self._loaded(content), allow_nan=False).encode()
        except (KeyError, ValueError) as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, f"cannot be sent: {error}"))
        except PermissionError as error:
            return Response(error=Failure(ErrorKind.AUTH, str(error)))
        _, method, url = request.endpoint.split(" ", 2)
        try:
            reply = await self.transport.request(
                method, url, headers=headers, body=body, timeout_s=self.options.timeout_s
            )
        except CallFailed as error:
            return Response(error=error.failure, seconds=time.perf_counter() - started)
        return self._read(reply, time.perf_counter() - started)

    async def answer(self, sample: Sample, ctx: Context) -> Response:
        """Ask once, outside the engine; a sample that no request can be made of is a failed answer."""
        try:
            request = self.request(sample, ctx.repeat)
        except ValueError as error:
            return Response(error=Failure(ErrorKind.BAD_REQUEST, str(error)))
        return await self.send(request)

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()

    def _render(self, template: str, variables: Mapping[str, Any]) -> str:
        return self.tools.render(template, variables) if "{" in template else template

    def _fill(self, node: Any, variables: Mapping[str, Any]) -> Any:
        if isinstance(node, str):
            return self._render(node, variables)
        if isinstance(node, (list, tuple)):
            return [self._fill(item, variables) for item in node]
        if not isinstance(node, Mapping):
            return node
        if set(node) == {"$json"}:
            return json.loads(self._render(node["$json"], variables))
        if set(node) == {"$base64"}:
            name = str(node["$base64"])
            blob = variables["input"].get(name.removeprefix("input."))
            if not isinstance(blob, Mapping) or "$blob" not in blob:
                raise ValueError(f"input field {name!r} is not a stored file")
            return {"$base64": blob}
        return {self._render(key, variables): self._fill(item, variables) for key, item in node.items()}

    def _loaded(self, node: Any) -> Any:
        """The body with files in place of their references: media never stand in a request that is stored."""
        if isinstance(node, list):
            return [self._loaded(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        if set(node) == {"$base64"} and isinstance(node["$base64"], Mapping):
            return base64.b64encode(self.tools.blobs.get(node["$base64"])).decode("ascii")
        return {key: self._loaded(item) for key, item in node.items()}

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: _SECRET.sub(self._secret, value) for name, value in headers.items()}

    def _secret(self, match: re.Match[str]) -> str:
        value = self.tools.secret(match[1])
        if not value:
            raise PermissionError(
                f"the environment variable {match[1]} is not set, and a header of {self.name} needs it"
            )
        return value

    def _read(self, reply: RawReply, seconds: float) -> Response:
        if reply.status >= 300:
            error = ErrorBody.read(reply.body)
            return Response(
                error=failure_of(reply.status, reply.headers, error, self.transport.redact), seconds=seconds
            )
        file = self.options.returns == "file"
        try:
            value = None if file and not _is_json(reply) else json.loads(reply.body)
        except ValueError:
            value = reply.body.decode("utf-8", "replace")
        try:
            output = self._file(reply, value) if file else follow(value, self.output)
            usage = {unit: _number(follow(value, path), unit) for unit, path in self.usage.items()}
        except LookupError as error:
            message = self.transport.redact(
                f"the reply {error}; it starts {reply.body[:200].decode('utf-8', 'replace')!r}"
            )
            return Response(error=Failure(ErrorKind.MALFORMED, message, status=reply.status), seconds=seconds)
        return Response(output=output, usage={"requests": 1, **usage}, seconds=seconds)

    def _file(self, reply: RawReply, value: Any) -> Mapping[str, str]:
        """A reference to the answered file. Raises LookupError for a reply that holds none."""
        try:
            if value is None:
                return _files.kept(reply.body, reply.headers.get("content-type"), self.tools.blobs)
            return _files.kept(*_files.from_text(follow(value, self.output)), self.tools.blobs)
        except ValueError as error:
            raise LookupError(f"holds no file: {error}") from None


def make(tools: Tools, model: str | None = None, **options: Any) -> HttpCandidate:
    """An endpoint by its options; `model` names it and its price, and may be the URL itself.

    Raises ValueError for what can be known to be wrong before a request is sent.
    """
    if model is not None and "url" not in options and "://" in model:
        options, model = {**options, "url": model}, None
    chosen = build(Options, options)
    parts = urlsplit(chosen.url)
    if parts.scheme not in ("http", "https") or not parts.netloc or "@" in parts.netloc:
        raise ValueError(
            f"url must be http://host or https://host, without a user: {parts.netloc.rpartition('@')[2]!r}"
        )
    if chosen.method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}: {chosen.method!r}")
    if chosen.returns not in RETURNS:
        raise ValueError(f"returns must be one of {', '.join(RETURNS)}: {chosen.returns!r}")
    if chosen.timeout_s <= 0:
        raise ValueError(f"timeout_s must be above 0: {chosen.timeout_s}")
    _check_headers(chosen.headers)
    for unit in chosen.usage:
        if unit not in UNITS:
            raise ValueError(f"usage: {unit!r} is no unit; {did_you_mean(unit, UNITS) or 'known: ' + ', '.join(UNITS)}")
    named = model or parts.netloc
    asked = [chosen.url, chosen.method, dict(chosen.headers), chosen.body, chosen.output, chosen.version]
    asked += [chosen.returns] if chosen.returns != "json" else []
    secrets = [tools.secret(name) for value in chosen.headers.values() for name in _SECRET.findall(value)]
    return HttpCandidate(
        name=named,
        model=named,
        lane=f"http {parts.netloc}",
        fingerprint=digest(["http", *asked]),
        options=chosen,
        tools=tools,
        output=parse_path(chosen.output or "$"),
        usage={unit: parse_path(path) for unit, path in chosen.usage.items()},
        transport=Transport(secrets=[secret for secret in secrets if secret]),
    )


def parse_path(text: str) -> Path:
    """A dotted path (`a.b[0]["c.d"]`, optionally after `$`) as keys and indexes. Raises ValueError when it is none."""
    rest = text.strip().removeprefix("$")
    steps: list[str | int] = []
    place = 0
    while place < len(rest):
        match = _STEP.match(rest, place)
        if match is None:
            raise ValueError(f"{text!r} is not a path; write one such as choices[0].text")
        name, index, _, quoted = match.groups()
        steps.append(int(index) if index is not None else name if name is not None else quoted)
        place = match.end()
    return tuple(steps)


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not isinstance(value, str):
            raise TypeError(f"header {name!r} must be text")
        if _SECRET_HEADER.search(name) and not _SECRET.search(value):
            raise ValueError(f"header {name!r} may hold a key: write it as ${{NAME}} of an environment variable")


def follow(value: Any, path: Path) -> Any:
    """What stands at a path in a JSON value. Raises LookupError that says which step is not there."""
    for step in path:
        fits = isinstance(value, dict if isinstance(step, str) else list)
        try:
            value = value[step] if fits else None
        except LookupError:
            fits = False
        if not fits:
            raise LookupError(f"has no {step!r} where the path asks for it")
    return value


def _is_json(reply: RawReply) -> bool:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def _number(value: Any, unit: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise LookupError(f"says {value!r:.40} where the number of {unit} should be")  # noqa: TRY004
    return value
