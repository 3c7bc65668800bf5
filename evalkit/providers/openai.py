"""OpenAI and everything that speaks its API: Chat Completions and Responses, over the lean transport or the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from evalkit.core import options as core_options
from evalkit.core.types import Chat, Tools
from evalkit.providers import _options
from evalkit.providers._openai_chat import ChatCodec
from evalkit.providers._openai_responses import ResponsesCodec
from evalkit.providers._sdk import SdkSender, load
from evalkit.providers._wire import Codec, LeanSender, WireChat
from evalkit.providers.transport import Redactor, Transport

_AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the `openai` provider.

    `base_url` = any server that speaks the API (vLLM, Ollama, LiteLLM, OpenRouter, llama.cpp); one on this machine
    needs no key. `api` = chat | responses. `via` = lean | sdk; Azure always goes through the SDK. `headers` are sent
    as they are, a value `$NAME` comes from the environment. `timeout_s` > 0 per attempt. `max_tokens_field` = what the
    server calls the limit of the answer (by default `max_completion_tokens` at OpenAI and Azure, else `max_tokens`).
    `endpoint` names the server in call keys instead of its URL, where the URL changes and the answers do not.
    """

    base_url: str = "https://api.openai.com/v1"
    api_key_env: str | None = "OPENAI_API_KEY"
    api: str = "chat"
    via: str = "lean"
    organization: str | None = None
    project: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0
    max_tokens_field: str | None = None
    endpoint: str | None = None
    azure_endpoint: str | None = None
    azure_deployment: str | None = None
    api_version: str | None = None
    azure_ad: bool = False

    def __post_init__(self) -> None:
        _options.one_of("api", self.api, ("chat", "responses"))
        _options.one_of("via", self.via, ("lean", "sdk"))
        if self.timeout_s <= 0:
            raise ValueError(f"option 'timeout_s' must be above 0; got {self.timeout_s}")
        if (self.azure_endpoint is None) != (self.api_version is None):
            raise ValueError("Azure needs both options 'azure_endpoint' and 'api_version'")


def make(tools: Tools, model: str | None, **options: Any) -> Chat:
    """A chat model. Raises ValueError for wrong options and a missing key, MissingComponent for a missing SDK."""
    if not model:
        raise ValueError("openai needs a model, as in openai/gpt-4.1-mini")
    chosen = core_options.build(Options, options)
    return _azure(tools, model, chosen) if chosen.azure_endpoint else _plain(tools, model, chosen)


def _codec(options: Options, host: str) -> Codec:
    if options.api == "responses":
        return ResponsesCodec()
    newer = host == "api.openai.com" or options.azure_endpoint is not None
    return ChatCodec(options.max_tokens_field or ("max_completion_tokens" if newer else "max_tokens"))


def _plain(tools: Tools, model: str, options: Options) -> Chat:
    base = _options.base_address(options.base_url)
    codec = _codec(options, urlsplit(base).hostname or "")
    key = _options.key_for(tools.secret, options.api_key_env, base)
    own = {
        "Authorization": f"Bearer {key}" if key else None,
        "OpenAI-Organization": options.organization,
        "OpenAI-Project": options.project,
    }
    access = _options.access(tools.secret, options.headers, {name: text for name, text in own.items() if text})
    url = base + codec.path
    who = _options.identity(
        "openai",
        options.endpoint or url,
        model=model,
        account=options.api_key_env,
        shape=access.shape,
        settings=_settings(options),
    )
    secrets = (*access.secrets, key or "")
    if options.via == "lean":
        headers = {**access.headers, "Content-Type": "application/json"}
        lean = LeanSender(codec, Transport(secrets=secrets), url=url, headers=headers, timeout_s=options.timeout_s)
        return WireChat(who, codec, lean, tools.blobs)
    sdk = load("openai")
    client = sdk.AsyncOpenAI(
        api_key=key or "none",
        base_url=base,
        organization=options.organization,
        project=options.project,
        default_headers=_without(access.headers, "Authorization") if key else dict(access.headers),
        timeout=options.timeout_s,
        max_retries=0,
    )
    return WireChat(who, codec, _sdk_sender(sdk, client, codec, options, secrets), tools.blobs)


def _azure(tools: Tools, model: str, options: Options) -> Chat:
    base = _options.base_address(options.azure_endpoint or "")
    codec = _codec(options, "")
    variable = "AZURE_OPENAI_API_KEY" if options.api_key_env == "OPENAI_API_KEY" else options.api_key_env
    key = None if options.azure_ad else _options.key_for(tools.secret, variable, base)
    access = _options.access(tools.secret, options.headers, {})
    deployment = options.azure_deployment or model
    place = f"{base}/openai/deployments/{deployment}{codec.path}?api-version={options.api_version}"
    who = _options.identity(
        "azure-openai",
        options.endpoint or place,
        model=model,
        account="entra" if options.azure_ad else variable,
        shape=access.shape,
        settings=_settings(options),
    )
    sdk = load("openai")
    sign_in = {"azure_ad_token_provider": _entra()} if options.azure_ad else {"api_key": key or "none"}
    client = sdk.AsyncAzureOpenAI(
        azure_endpoint=base,
        azure_deployment=deployment,
        api_version=options.api_version,
        organization=options.organization,
        default_headers=dict(access.headers),
        timeout=options.timeout_s,
        max_retries=0,
        **sign_in,
    )
    secrets = (*access.secrets, key or "")
    return WireChat(who, codec, _sdk_sender(sdk, client, codec, options, secrets), tools.blobs)


def _sdk_sender(sdk: Any, client: Any, codec: Codec, options: Options, secrets: tuple[str, ...]) -> SdkSender:
    resource = client.responses if options.api == "responses" else client.chat.completions
    named = ("model", "input" if options.api == "responses" else "messages", "stream")

    async def call(body: Mapping[str, Any]) -> Any:
        arguments = {name: body[name] for name in named if name in body}
        rest = {name: value for name, value in body.items() if name not in named}
        return await resource.create(**arguments, extra_body=rest)

    return SdkSender(sdk, client, call, codec, timeout_s=options.timeout_s, redact=Redactor(secrets))


def _settings(options: Options) -> dict[str, Any]:
    return {"api": options.api, "max_tokens_field": options.max_tokens_field}


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def _entra() -> Any:
    identity = load("azure.identity.aio", "azure_ad needs the package azure-identity; pip install azure-identity")
    return identity.get_bearer_token_provider(identity.DefaultAzureCredential(), _AZURE_SCOPE)
