"""Anthropic's Messages API over the lean transport or the SDK; Bedrock and Vertex through the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.core import options as core_options
from evalkit.core.types import Chat, Tools
from evalkit.providers import _options
from evalkit.providers._anthropic_messages import MessagesCodec
from evalkit.providers._sdk import SdkSender, load
from evalkit.providers._wire import LeanSender, WireChat
from evalkit.providers.transport import Redactor, Transport

_HOME = "https://api.anthropic.com"
_KEYS = {
    "lean": "ANTHROPIC_API_KEY",
    "sdk": "ANTHROPIC_API_KEY",
    "bedrock": "AWS_BEARER_TOKEN_BEDROCK",
    "vertex": "VERTEX_ACCESS_TOKEN",
}
_SIGN_IN = {"bedrock": ("boto3", "bedrock"), "vertex": ("google.auth", "vertex")}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `anthropic` provider.

    `via` = lean | sdk | bedrock | vertex; the last two sign in as their cloud's own tools do unless the variable in
    `api_key_env` holds a bearer token. `region` and `project` are the cloud's. `betas` go into `anthropic-beta`.
    `headers` are sent as they are, a value `$NAME` comes from the environment. `max_tokens` >= 1 is what a generation
    without a limit asks for. `structured` = format | tool: how a response schema is asked for (`tool` for models
    without output formats). `timeout_s` > 0 per attempt. `endpoint` names the server in call keys instead of its URL.
    """

    base_url: str | None = None
    api_key_env: str | None = None
    via: str = "lean"
    version: str = "2023-06-01"
    betas: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int = 4096
    structured: str = "format"
    timeout_s: float = 120.0
    endpoint: str | None = None
    region: str | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        _options.one_of("via", self.via, tuple(_KEYS))
        _options.one_of("structured", self.structured, ("format", "tool"))
        if self.timeout_s <= 0 or self.max_tokens < 1:
            raise ValueError("options 'timeout_s' and 'max_tokens' must be above 0")


def make(tools: Tools, model: str | None, **options: Any) -> Chat:
    """A chat model. Raises ValueError for wrong options and a missing key, MissingComponent for a missing SDK."""
    if not model:
        raise ValueError("anthropic needs a model, as in anthropic/claude-haiku-4-5")
    chosen = core_options.build(Options, options)
    codec = MessagesCodec(chosen.max_tokens, chosen.structured)
    cloud = _cloud(tools, model, chosen, codec)
    return cloud if cloud is not None else _plain(tools, model, chosen, codec)


def _plain(tools: Tools, model: str, options: Options, codec: MessagesCodec) -> Chat:
    base = _options.base_address(options.base_url or _HOME).removesuffix("/v1")
    variable = options.api_key_env or _KEYS[options.via]
    key = _options.key_for(tools.secret, variable, base)
    access = _options.access(tools.secret, _extra(options), {})
    url = base + codec.path
    who = _options.identity(
        "anthropic",
        options.endpoint or url,
        model=model,
        account=variable,
        shape=access.shape,
        settings=_settings(options),
    )
    secrets = (*access.secrets, key or "")
    if options.via == "lean":
        own = {"x-api-key": key} if key else {}
        headers = {**own, "anthropic-version": options.version, **access.headers, "Content-Type": "application/json"}
        lean = LeanSender(codec, Transport(secrets=secrets), url=url, headers=headers, timeout_s=options.timeout_s)
        return WireChat(who, codec, lean, tools.blobs)
    sdk = load("anthropic")
    client = sdk.AsyncAnthropic(
        api_key=key or "none",
        base_url=base,
        **_common(options, {"anthropic-version": options.version, **access.headers}),
    )
    return WireChat(who, codec, _sender(sdk, client, codec, options, secrets), tools.blobs)


def _cloud(tools: Tools, model: str, options: Options, codec: MessagesCodec) -> Chat | None:
    """The same model hosted by a cloud; None when the options name none."""
    if options.via not in ("bedrock", "vertex"):
        return None
    if not options.region or (options.via == "vertex" and not options.project):
        raise ValueError(
            f"via={options.via!r} needs the option 'region'" + (" and 'project'" if options.via == "vertex" else "")
        )
    variable = options.api_key_env or _KEYS[options.via]
    token = tools.secret(variable)
    access = _options.access(tools.secret, _extra(options), {})
    place = options.base_url or f"{options.via}://{options.region}/{options.project or ''}"
    who = _options.identity(
        f"anthropic-{options.via}",
        options.endpoint or place,
        model=model,
        account=variable if token else options.project,
        shape=access.shape,
        settings=_settings(options),
    )
    sdk = load("anthropic")
    if not token:
        library, extra = _SIGN_IN[options.via]
        load(library, f"signing in for via={options.via!r} needs {library}; pip install 'anthropic[{extra}]'")
    common = _common(options, access.headers)
    if options.base_url:
        common["base_url"] = _options.base_address(options.base_url)
    if options.via == "bedrock":
        client = sdk.AsyncAnthropicBedrock(aws_region=options.region, api_key=token, **common)
    else:
        client = sdk.AsyncAnthropicVertex(
            region=options.region, project_id=options.project, access_token=token, **common
        )
    return WireChat(who, codec, _sender(sdk, client, codec, options, (*access.secrets, token or "")), tools.blobs)


def _common(options: Options, headers: Mapping[str, str]) -> dict[str, Any]:
    quiet = {"traces": False, "propagation": False}
    return {
        "default_headers": dict(headers),
        "timeout": options.timeout_s,
        "max_retries": 0,
        "open_telemetry": quiet,
    }


def _extra(options: Options) -> dict[str, str]:
    beta = {"anthropic-beta": ",".join(options.betas)} if options.betas else {}
    return {**beta, **options.headers}


def _sender(sdk: Any, client: Any, codec: MessagesCodec, options: Options, secrets: tuple[str, ...]) -> SdkSender:
    named = ("model", "messages", "max_tokens", "stream")

    async def call(body: Mapping[str, Any]) -> Any:
        arguments = {name: body[name] for name in named if name in body}
        rest = {name: value for name, value in body.items() if name not in named}
        return await client.messages.create(**arguments, extra_body=rest)

    return SdkSender(sdk, client, call, codec, timeout_s=options.timeout_s, redact=Redactor(secrets))


def _settings(options: Options) -> dict[str, Any]:
    return {"max_tokens": options.max_tokens, "structured": options.structured, "version": options.version}
