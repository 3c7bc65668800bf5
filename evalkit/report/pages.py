"""What every page is made with: templates that escape, one style and one script, both allowed by hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evalkit.report import diff, text

HERE = Path(__file__).parent


def environment() -> Environment:
    """Templates with autoescaping, in which an undefined variable raises and no character hides."""
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
    )
    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = (HERE / "script.js").read_text(encoding="utf-8")
    env.globals |= {"style": style, "script": script, "style_hash": _csp(style), "script_hash": _csp(script)}
    env.globals |= {
        "diff_lines": diff.diff_lines,
        "word_diff": diff.word_diff,
        "counted": text.counted,
        "media_of": _no_media,
    }
    env.filters |= {
        "visible": text.visible,
        "pretty": text.pretty,
        "peek": text.peek,
        "money": text.money,
        "duration": text.duration,
        "share": text.share,
        "counts": text.counts_text,
        "p_value": text.p_text,
    }
    env.globals |= {
        "value_text": text.value_text,
        "plain_value": text.plain_value,
        "interval_text": text.interval_text,
        "dropped_text": text.dropped_text,
        "delta_text": text.delta_text,
        "delta_interval": text.delta_interval,
        "rank_text": text.rank_text,
    }
    return env


def write(env: Environment, template: str, path: Path, variables: Mapping[str, Any]) -> None:
    """Render a template into a file, with the same bytes for the same rows. Raises OSError."""
    stream = env.get_template(template).stream(variables)
    stream.enable_buffering(64)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(stream)


def _no_media(value: Any) -> tuple[()]:  # noqa: ARG001 - a page without files
    return ()


def _inert(value: Any) -> Any:
    # The last net: whatever a template forgot to pass through a filter still hides nothing.
    return text.unhidden(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _csp(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"
