from __future__ import annotations

import pytest

from evalkit.core.errors import ConfigError
from evalkit.core.types import Sample
from evalkit.prompts.render import Renderer
from evalkit.prompts.task import Shots, TaskPrompt

BLOB = {"$blob": "ab", "type": "image/png"}
SHOTS = [Sample(f"t{n}", {"text": f"text {n}"}, {"label": n}) for n in range(4)]
ASKED = Sample("s1", {"text": "hello", "image": BLOB}, "secret target", tags=("x",), meta={"level": 2})


@pytest.fixture
def renderer(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "ask.j2").write_text("Ask: {{ text }}{% include 'tail.j2' %}", "utf-8")
    (tmp_path / "tail.j2").write_text(" (end)", "utf-8")
    return Renderer(tmp_path)


def build(renderer, **spec):
    return TaskPrompt.build(spec, renderer)


def test_system_and_prompt(renderer):
    task = build(renderer, system="Level {{ sample.meta.level }}", prompt="{{ input.text }}/{{ text }}/{{ sample.id }}")
    assert task.messages(ASKED) == [
        {"role": "system", "content": "Level 2"},
        {"role": "user", "content": "hello/hello/s1"},
    ]


def test_the_target_cannot_be_seen(renderer):
    for template in ("{{ target }}", "{{ sample.target }}", "{{ input.target }}"):
        with pytest.raises(ValueError, match=r"sample 's1': prompt, line 1: .*target"):
            build(renderer, prompt=template).messages(ASKED)


def test_prompt_from_a_file(renderer):
    task = TaskPrompt.build({"prompt": {"file": "ask.j2"}}, renderer, base=renderer.root / "prompts")
    assert task.messages(ASKED) == [{"role": "user", "content": "Ask: hello (end)"}]
    assert [(t.name, t.role) for t in task.texts] == [("prompt (ask.j2)", "user"), ("tail.j2", "include")]


def test_hash_follows_every_text(renderer):
    def hashed(**spec):
        return TaskPrompt.build({"prompt": {"file": "prompts/ask.j2"}, **spec}, renderer).hash

    first = hashed()
    assert hashed() == first
    different = {
        first,
        hashed(system="x"),
        hashed(shots=1),
        hashed(shots={"count": 1, "seed": 2}),
        hashed(image="{{ i }}"),
    }
    (renderer.root / "tail.j2").write_text(" (END)", "utf-8")
    assert (
        len(different | {TaskPrompt.build({"prompt": {"file": "prompts/ask.j2"}}, Renderer(renderer.root)).hash}) == 6
    )


def test_media_beside_the_prompt(renderer):
    task = build(renderer, prompt="What is it?", image="{{ input.image }}")
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "image": BLOB}]
    assert task.messages(ASKED) == [{"role": "user", "content": content}]
    alone = build(renderer, audio="{{ input.clips }}")
    two = Sample("s2", {"clips": [BLOB, BLOB]})
    assert alone.messages(two)[0]["content"] == [{"type": "audio", "audio": BLOB}] * 2
    for value, said in ((None, "not a reference"), ("file.png", "not a reference"), ([{}], "not a reference")):
        with pytest.raises(ValueError, match=f"sample 's3': audio: .*{said}"):
            alone.messages(Sample("s3", {"clips": value}))
    with pytest.raises(ValueError, match="sample 's4': audio: there is no 'clips'"):
        alone.messages(Sample("s4", {}))


def test_listed_messages_with_parts(renderer):
    task = build(
        renderer,
        system="S",
        messages=[
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": [{"text": "{{ text }}"}, {"image": "{{ input.image }}"}, "three"]},
        ],
    )
    messages = task.messages(ASKED)
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert [part["type"] for part in messages[3]["content"]] == ["text", "image", "text"]
    assert messages[3]["content"][0]["text"] == "hello"


def test_shots_as_turns_before_the_last_user_message(renderer):
    task = build(
        renderer, messages=[{"role": "user", "content": "first"}, {"role": "user", "content": "Q {{ text }}"}], shots=2
    )
    for _ in range(2):
        messages = task.messages(ASKED, SHOTS)
        assert [m["content"] for m in messages] == [
            "first", "Q text 0", '{"label": 0}', "Q text 1", '{"label": 1}', "Q hello",
        ]  # fmt: skip
    assert [m["role"] for m in messages] == ["user", "user", "assistant", "user", "assistant", "user"]
    assert task.messages(SHOTS[0], SHOTS)[1]["content"] == "Q text 1"
    assert len(task.messages(ASKED)) == 2
    other = [Sample("t0", {"text": "same id"}, "y")]
    assert task.messages(ASKED, other)[1]["content"] == "Q same id"


def test_shots_inside_a_template(renderer):
    task = build(
        renderer,
        prompt="{% for shot in shots %}{{ shot.text }}={{ shot.input.text }}={{ shot.target }};{% endfor %}{{ text }}",
        shots={"count": 1, "from": "train", "seed": 7},
    )
    assert task.shots == Shots(1, "train", 7)
    assert task.messages(ASKED, SHOTS) == [{"role": "user", "content": 'text 0=text 0={"label": 0};hello'}]


def test_conversations_pass_through(renderer):
    task = build(renderer, system="Be {{ input.tone }}")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert task.messages(Sample("s", {"messages": turns, "tone": "kind"})) == [
        {"role": "system", "content": "Be kind"},
        *turns,
    ]
    assert task.fields() == {"messages", "tone"}
    assert build(renderer).messages(Sample("s", {"messages": turns})) == turns
    for wrong, said in (
        ({}, "no `prompt`, and the input has no `messages`"),
        ({"messages": []}, "no `messages`"),
        ({"messages": ["a"]}, r"messages\[0\] must have a role"),
        ({"messages": [{"role": "bot", "content": "a"}]}, r"messages\[0\] must have a role"),
        ({"messages": [{"role": "user"}]}, r"messages\[0\] must have a role"),
    ):
        with pytest.raises(ValueError, match=f"sample 's'.*{said}"):
            build(renderer).messages(Sample("s", wrong))


def test_variables_and_fields(renderer):
    task = build(renderer, system="{{ a }}", prompt="{{ input.b }}{{ shots }}", image="{{ input.c }}")
    assert task.variables() == {"a", "input", "shots"}
    assert task.fields() == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"promt": "x"}, "unknown key 'promt' .did you mean 'prompt'"),
        ({"zzz": "x"}, "unknown key 'zzz' .known: system"),
        ({"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "not both"),
        ({"prompt": 3}, "prompt must be text"),
        ({"prompt": {"file": "gone.j2"}}, "cannot be read"),
        ({"prompt": {"file": "../x"}}, "leads out of"),
        ({"prompt": {"file": 3}}, "must be text"),
        ({"prompt": "{% if %}"}, "prompt, line 1: Expected an expression"),
        ({"prompt": "{% include 'gone' %}"}, "there is no template 'gone'"),
        ({"image": "photo"}, "image: write one reference"),
        ({"image": 5}, "image must be text"),
        ({"messages": []}, "list of {role, content}"),
        ({"messages": "x"}, "list of {role, content}"),
        ({"messages": ["x"]}, r"messages\[0\] must be"),
        ({"messages": [{"role": "user", "content": "x", "more": 1}]}, "nothing else"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "'bot' is not a role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "must hold a user message"),
        ({"system": "x", "shots": 2}, "shots need a `prompt`"),
        ({"prompt": "x", "shots": "two"}, "must be a number"),
        ({"prompt": "x", "shots": True}, "must be a number"),
        ({"prompt": "x", "shots": {"n": 2}}, "must be a number"),
        ({"prompt": "x", "shots": {"count": -1}}, "at least 0"),
        ({"prompt": "x", "shots": {"count": 1, "seed": "a"}}, "seed a whole number"),
    ],
)
def test_refuses_and_says_why(renderer, spec, said):
    with pytest.raises(ConfigError, match=said):
        TaskPrompt.build(spec, renderer)


def test_all_problems_at_once(renderer):
    with pytest.raises(ConfigError) as caught:
        TaskPrompt.build(
            {"promt": 1, "system": "{{", "messages": [3, {"role": "x", "content": ""}], "shots": "?"}, renderer
        )
    assert len(caught.value.problems) == 5
