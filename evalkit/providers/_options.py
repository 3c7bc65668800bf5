"""What the vendors' options have in common: addresses, keys by environment name, extra headers, identities."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from evalkit.core.keys import digest
from evalkit.providers._wire import Identity
from evalkit.providers.transport import is_loopback

_REFERENCE = re.compile(r"\A\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?\Z")
_SECRET_NAMES = re.compile(r"(?i)authorization|cookie|token|secret|key|password")


@dataclass(frozen=True, slots=True)
class Access:
    """What an account needs on the wire: headers, and which strings in them are secret."""

    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    shape: str | None


def base_address(url: str) -> str:
    """An address without its last slash. Raises ValueError for one that is no HTTP URL or carries a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"base_url {url!r} is not an http(s) address")
    if parts.username or parts.password:
        raise ValueError("base_url must not carry a user or password; use api_key_env or headers")
    if parts.query or parts.fragment:
        raise ValueError(f"base_url {url!r} must end with a path, without '?' or '#'")
    return url.rstrip("/")


def one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ValueError unless an option has one of its known values."""
    if value not in known:
        raise ValueError(f"option {option!r} must be one of {', '.join(known)}; got {value!r}")


def key_for(secret: Callable[[str], str | None], variable: str | None, base_url: str) -> str | None:
    """The key in an environment variable. Raises ValueError when it is missing, but for servers on this machine."""
    found = (secret(variable) or "").strip() if variable else ""
    if not found and variable and not is_loopback(base_url):
        host = urlsplit(base_url).hostname
        raise ValueError(f"no key for {host}: set the environment variable {variable} (or put it in .env)")
    if not found.isascii() or not found.isprintable():
        raise ValueError(
            f"the key in {variable} has characters that no key has; was it pasted with quotes or a newline?"
        )
    return found or None


def access(secret: Callable[[str], str | None], extra: Mapping[str, str], own: Mapping[str, str]) -> Access:
    """Join a vendor's own headers with the user's; a value `$NAME` is read from the environment.

    `shape` is a digest of the extra headers that are not secret, as they may decide the answer; None without such.
    """
    headers, secrets, plain = dict(own), [], {}
    for name, value in extra.items():
        reference = _REFERENCE.match(str(value))
        text = secret(reference[1]) if reference else str(value)
        if text is None:
            raise ValueError(f"header {name!r} needs the environment variable {value}, which is not set")
        headers[name] = text
        if reference or _SECRET_NAMES.search(name):
            secrets.append(text)
        else:
            plain[name.lower()] = text
    return Access(headers, tuple(secrets), digest(plain) if plain else None)


def identity(
    kind: str, url: str, *, model: str, account: str | None, shape: str | None, settings: Mapping[str, object]
) -> Identity:
    """Lane, endpoint and fingerprint of a chat model; `settings` are the options that change what is sent."""
    endpoint = f"{kind} {url}" + (f" headers={shape[:12]}" if shape else "")
    lane = f"{kind} {urlsplit(url).netloc or url} {account or '-'}"
    return Identity(lane, model, endpoint, digest([endpoint, model, dict(settings)]))
