"""evalkit.yaml, .env and the names of candidates."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from evalkit.config.parts import Generation, RateLimits, secret_paths
from evalkit.config.project import Project, load_project
from evalkit.core.errors import ConfigError

CASES = Path(__file__).parent.parent / "cases" / "config" / "project"
PARTS: dict[str, Any] = {
    "providers": ("anthropic", "exec", "llamacpp", "mock", "openai", "python", "replay"),
    "baselines": ("majority", "tfidf_linear"),
}


@pytest.fixture
def project() -> Project:
    found = load_project(CASES, **PARTS)
    assert list(map(str, found.problems)) == []
    return found


def made(folder: Path, text: str, **more: Any) -> Project:
    (folder / "evalkit.yaml").write_text(text)
    return load_project(folder, **{**PARTS, **more})


def test_every_problem_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(CASES / "bad.yaml", tmp_path / "evalkit.yaml")
    monkeypatch.chdir(tmp_path)
    found = load_project(tmp_path, providers=["openai", "mock"], baselines=["majority"])
    said = [f"{p.line}: {p.message}" + (f" ({p.hint})" if p.hint else "") for p in found.problems]
    assert said == (CASES / "bad.txt").read_text().splitlines()
    assert {p.file for p in found.problems} == {"evalkit.yaml"}
    assert "sk-live" not in "\n".join(said)


def test_the_file_is_found_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "evalkit.yaml").write_text("defaults: {retries: 9}\n")
    (deep / "suite.yaml").write_text("")
    for start in (tmp_path, deep, deep / "suite.yaml"):
        found = load_project(start)
        assert found.root == tmp_path.resolve()
        assert found.file == tmp_path.resolve() / "evalkit.yaml"
        assert found.defaults.retries == 9


@pytest.mark.parametrize("text", ["", "# only a comment\n", "not: [closed"])
def test_empty_and_broken_files(tmp_path: Path, text: str) -> None:
    found = made(tmp_path, text)
    assert len(found.problems) == 1
    assert found.problems[0].file is not None
    assert found.defaults.store == ".evalkit"


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    found = load_project(tmp_path, **PARTS)
    assert (found.file, found.problems, found.notes) == (None, (), ())
    assert found.root == tmp_path.resolve()
    assert (found.store, found.reports) == (found.root / ".evalkit", found.root / "reports")
    assert found.roots == (found.root,)
    assert found.defaults.confirm_above_usd == 1.0
    assert found.defaults.concurrency is None
    assert found.resolve("mock").part == "mock"


def test_defaults_and_folders(project: Project) -> None:
    assert (project.store, project.reports) == (CASES / "cache", CASES / "out")
    assert project.roots == (CASES, CASES.parent / "shared-data")
    defaults = project.defaults
    assert (defaults.confirm_above_usd, defaults.concurrency, defaults.timeout_s) == (5, 16, 60)
    assert (defaults.retries, defaults.workers) == (2, 1)
    assert [price.model for price in project.prices] == [("llama-3",), ("inhouse", "inhouse-*")]


def test_a_candidate_of_a_provider(project: Project) -> None:
    found = project.resolve("careful")
    assert (found.kind, found.part, found.model, found.prompt) == ("provider", "openai", "gpt-4.1", "short")
    assert found.options == {"api_key_env": "TEAM_CREDENTIAL", "via": "lean", "timeout_s": 30}
    assert (found.generation.temperature, found.generation.max_tokens) == (0, 200)
    assert found.limits == RateLimits(requests_per_minute=60, tokens_per_minute=90000, concurrency=4)
    assert (found.provider, found.line) == ("openai", 3)
    assert found.file is not None
    assert found.file.endswith("evalkit.yaml")


def test_a_provider_under_another_name(project: Project) -> None:
    for name, model in (("local-llama", "llama-3"), ("vllm/qwen/qwen-3", "qwen/qwen-3")):
        found = project.resolve(name)
        assert (found.part, found.provider, found.model) == ("openai", "vllm", model)
        assert found.options["base_url"] == "http://127.0.0.1:8000/v1"
        assert found.limits == RateLimits()
    assert project.resolve("vllm").model is None


def test_short_forms(project: Project) -> None:
    haiku = project.resolve("haiku")
    assert (haiku.name, haiku.part, haiku.model, haiku.line) == ("haiku", "anthropic", "claude-haiku-4-5", 2)
    words = project.resolve("words")
    assert (words.name, words.kind, words.part, words.options) == ("words", "baseline", "tfidf_linear", {"c": 2.0})
    guess = project.resolve("guess")
    assert (guess.name, guess.kind, guess.part, guess.options) == ("guess", "baseline", "majority", {})
    recorded = project.resolve("recorded")
    assert (recorded.part, recorded.model, recorded.options) == ("replay", "outputs.jsonl", {"strict": True})
    assert recorded.line == 16


@pytest.mark.parametrize(
    ("name", "kind", "part", "model", "options"),
    [
        ("openai/gpt-x", "provider", "openai", "gpt-x", {"api_key_env": "TEAM_CREDENTIAL", "via": "lean"}),
        ("llamacpp/smollm2-135m", "provider", "llamacpp", "smollm2-135m", {}),
        ("replay/out/path.jsonl", "provider", "replay", "out/path.jsonl", {}),
        ("python/file.py:fn", "provider", "python", "file.py:fn", {}),
        ("exec/./prog", "provider", "exec", "./prog", {}),
        ("mock(seed=3)", "provider", "mock", None, {"seed": 3}),
        ("majority", "baseline", "majority", None, {}),
        ("tfidf_linear( c = 1 )", "baseline", "tfidf_linear", None, {"c": 1}),
        ("tfidf_linear@3(path='a/b')", "baseline", "tfidf_linear", None, {"k": 3, "path": "a/b"}),
    ],
)
def test_names_without_a_file(
    name: str, kind: str, part: str, model: str | None, options: dict[str, Any], project: Project
) -> None:
    found = project.resolve(name)
    assert (found.name, found.kind, found.part, found.model) == (name, kind, part, model)
    assert found.options == options
    assert (found.file, found.line, found.generation) == (None, None, Generation())


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("opnai/gpt-x", "there is no provider 'opnai'", "did you mean 'openai'?"),
        ("zzz/gpt-x", "there is no provider 'zzz'", "known: anthropic, exec"),
        ("haikku", "there is no candidate 'haikku'", "did you mean 'haiku'?"),
        ("zzzzzz", "there is no candidate 'zzzzzz'", "write a name from evalkit.yaml, provider/model"),
        ("openai/", "'openai/' names no model", "write provider/model"),
        ("a b c", "is not a spec", None),
    ],
)
def test_unknown_names_come_with_suggestions(name: str, message: str, hint: str | None, project: Project) -> None:
    with pytest.raises(ConfigError) as caught:
        project.resolve(name)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert (problem.hint or "").startswith(hint or "")
    assert problem.file is None
    specs, problems = project.resolve_all(["haiku", name, "haiku", "majority"])
    assert [spec.name for spec in specs] == ["haiku", "majority"]
    assert problems == [problem]


def test_nothing_is_checked_against_names_that_are_not_given(tmp_path: Path) -> None:
    found = load_project(tmp_path)
    assert found.resolve("anything/goes").part == "anything"
    assert found.resolve("anything").kind == "baseline"


DOTENV = """\
# comment
OPENAI_API_KEY=sk-from-file
export HF_TOKEN="hf with blank"
SOME_SECRET='quoted#value'
TEAM_CREDENTIAL=team-value   # trailing comment
HOME_FOLDER=/somewhere
EMPTY_KEY=
this is no assignment at all
DOLLAR_KEY=${OPENAI_API_KEY}
"""


def env_project(folder: Path, environ: dict[str, str] | None = None, text: str = DOTENV) -> Project:
    (folder / ".env").write_text(text)
    (folder / "evalkit.yaml").write_text("providers: {openai: {api_key_env: TEAM_CREDENTIAL}}\n")
    return load_project(folder, environ=environ, **PARTS)


def test_only_keys_are_read_from_env_files(tmp_path: Path) -> None:
    found = env_project(tmp_path)
    assert found.problems == ()
    assert found.secret("OPENAI_API_KEY") == "sk-from-file"
    assert found.secret("HF_TOKEN") == "hf with blank"
    assert found.secret("SOME_SECRET") == "quoted#value"
    assert found.secret("TEAM_CREDENTIAL") == "team-value"
    assert found.secret("DOLLAR_KEY") == "${OPENAI_API_KEY}"
    assert found.secret("HOME_FOLDER") is None
    assert found.secret("EMPTY_KEY") is None
    assert found.secret("NO_SUCH_KEY") is None
    assert [(note.line, note.message) for note in found.notes] == [
        (6, "HOME_FOLDER was not read: it is no key"),
        (8, "this line is not KEY=value and was not read"),
    ]
    assert "somewhere" not in "\n".join(map(str, found.notes))


def test_env_files_are_never_exported(tmp_path: Path) -> None:
    before = dict(os.environ)
    env_project(tmp_path)
    assert dict(os.environ) == before


def test_the_environment_goes_first(tmp_path: Path) -> None:
    environ = {"OPENAI_API_KEY": "sk-outer-value", "HF_TOKEN": "", "PATH": "/bin", "PLAIN": "visible"}
    found = env_project(tmp_path, environ)
    assert found.secret("OPENAI_API_KEY") == "sk-outer-value"
    assert found.secret("HF_TOKEN") == "hf with blank"
    assert found.secret("PLAIN") == "visible"


def test_all_secrets_are_named_for_redaction_and_never_shown(tmp_path: Path) -> None:
    environ = {
        "OPENAI_API_KEY": "sk-outer-value",
        "TEAM_CREDENTIAL": " padded-team ",
        "SHORT_KEY": "abc",
        "PATH": "/bin",
    }
    found = env_project(tmp_path, environ)
    assert found.secrets() == {
        "sk-outer-value", "padded-team", "sk-from-file", "hf with blank", "quoted#value", "team-value", "${OPENAI_API_KEY}",
    }  # fmt: skip
    for secret in found.secrets():
        assert secret not in repr(found)


def test_a_candidate_may_name_its_own_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MINE=my-own-value\nOTHER=x\n")
    found = made(tmp_path, "candidates: {a: {provider: openai, model: m, api_key_env: MINE}, b: {provider: mock}}\n")
    assert found.key_names == {"MINE"}
    assert found.secret("MINE") == "my-own-value"
    assert len(found.notes) == 1


@pytest.mark.parametrize(("raw", "reason"), [(b"\xff\xfe", "it is not UTF-8"), (None, "Is a directory")])
def test_an_unreadable_env_file_is_noted(tmp_path: Path, raw: bytes | None, reason: str) -> None:
    if raw is None:
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").write_bytes(raw)
    (note,) = load_project(tmp_path).notes
    assert reason in note.message


def test_secrets_in_files_are_found_by_their_keys() -> None:
    value = {
        "api_key": "sk", "apiKey": "sk", "x-api-key": "sk", "Authorization": "Bearer x", "password": "p", "max_tokens": "5",
        "api_key_env": "NAME", "token_limit": "x", "headers": {"authorization": "{{ key }}", "X-Auth-Token": "${TOKEN}"},
        "list": [{"client_secret": "s"}], "secret": 3,
    }  # fmt: skip
    assert secret_paths(value) == [
        "api_key",
        "apiKey",
        "x-api-key",
        "Authorization",
        "password",
        "list[0].client_secret",
    ]
