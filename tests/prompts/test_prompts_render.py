from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.prompts.render import MAX_OUTPUT, MAX_STEPS, Renderer

VARIABLES = {"input": {"text": "hello", "items": [1, 2]}, "text": "hello", "none": None}


@pytest.fixture
def renderer(tmp_path):
    (tmp_path / "part.j2").write_text("part of {{ text }}", "utf-8")
    (tmp_path / "outer.j2").write_text("{% include 'part.j2' %}!", "utf-8")
    return Renderer(tmp_path)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{ text }} {{ input.text }} {{ input['text'] }}", "hello hello hello"),
        ("{{ input.items }}", "[1, 2]"),
        ("<b>{{ '<i>&' }}</b>\n", "<b><i>&</b>\n"),
        ("{{ {'a': \"<é'>\"} | tojson }}", '{"a": "<é\'>"}'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
        ("{% for i in range(2, 6, 2) %}{{ i }}{% endfor %}", "24"),
        ("{% if gone is defined %}x{% else %}y{% endif %}", "y"),
        ("{{ gone | default('z') }}", "z"),
        ("{{ 'ab' * 3 }}{{ 2 * 3 }}{{ 2 ** 5 }}", "ababab632"),
        ("{% include 'outer.j2' %}", "part of hello!"),
    ],
)
def test_renders(renderer, template, expected):
    assert renderer.render(template, VARIABLES) == expected
    assert renderer.render(template, VARIABLES) == expected


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nope }}", r"user, line 1: variable 'nope' is not defined .known variables: input, none, text."),
        ("a\nb\n{{ input.foo }}", r"user, line 3: there is no 'foo' in a mapping of items, text"),
        ("{{ text.foo }}", "str has no 'foo'"),
        ("{{ none.foo }}", "NoneType has no 'foo'"),
        ("{{ input['items'][7] }}", "has no 7|has no element 7"),
        ("x\n{% if %}", "user, line 2: Expected an expression"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 1 + 'a' }}", "unsupported operand"),
        ("{{ input.__class__ }}", "unsafe"),
        ("{{ text.__init__.__globals__ }}", "unsafe"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ self.__init__ }}", "unsafe"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{{ input.update({'a': 1}) }}", "unsafe"),
        ("{{ input['items'].append(3) }}", "unsafe"),
        ("{% include '../secret' %}", "there is no template '../secret'"),
        ("{% include '/etc/hostname' %}", "there is no template"),
        ("{{ input.items | random }}", "No filter named 'random'"),
        ("{{ lipsum() }}", "'lipsum' is not defined"),
        ("{{ 'a' * 100000000 }}", "repetition of more than"),
        ("{{ 100000000 * [1] }}", "repetition of more than"),
        ("{{ 9 ** 9 ** 9 }}", "power"),
        ("{% for i in range(100001) %}{% endfor %}", f"more than {MAX_STEPS} steps"),
        ("{% for i in range(400) %}{% for j in range(400) %}{% endfor %}{% endfor %}", "steps of range"),
        ("{% for i in range(2000) %}{{ 'x' * 10000 }}{% endfor %}", f"more than {MAX_OUTPUT} characters"),
        ("{{ text | tojson | nosuch }}", "No filter named 'nosuch'"),
        ("{{ [cycler] | tojson }}", "cannot be written as JSON"),
    ],
)
def test_refuses_and_says_why(renderer, template, said):
    with pytest.raises(ValueError, match=said):
        renderer.render(template, VARIABLES, name="user")


def test_a_link_out_of_the_root_is_not_followed(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("secret", "utf-8")
    (root / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="there is no template 'link'"):
        Renderer(root).render("{% include 'link' %}", {})
    with pytest.raises(ValueError, match="leads out of"):
        Renderer(root).read("link")


def test_without_a_root_nothing_is_read():
    renderer = Renderer(None)
    assert renderer.render("{{ a }}", {"a": 1}) == "1"
    with pytest.raises(ValueError, match="no loader"):
        renderer.render("{% include 'x' %}", {})
    with pytest.raises(ValueError, match="no folder"):
        renderer.includes("{% include 'x' %}")
    with pytest.raises(ValueError, match="no folder"):
        renderer.read("x")


def test_reads_files_from_a_base(tmp_path):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "p.j2").write_text("hi\n", "utf-8")
    (tmp_path / "bad.j2").write_bytes(b"\xff\xfe")
    renderer = Renderer(tmp_path)
    assert renderer.read("p.j2", tmp_path / "suites") == "hi\n"
    assert renderer.read("suites/p.j2") == "hi\n"
    for missing in ("p.j2", "bad.j2"):
        with pytest.raises(ValueError, match="cannot be read"):
            renderer.read(missing)


def test_value_is_not_turned_into_text(renderer):
    blob = {"$blob": "ab", "type": "image/png"}
    assert renderer.value(" {{ input.image }} ", {"input": {"image": blob}}) is blob
    assert renderer.value("{{ input['a b'] }}", {"input": {"a b": [1]}}) == [1]
    for wrong in ("plain", "{{ a }}{{ b }}", "x {{ a }}", "{{ }}"):
        with pytest.raises(ValueError, match=r"write one reference|unexpected 'end of template'"):
            renderer.value(wrong, {"a": 1, "b": 2}, name="image")
    with pytest.raises(ValueError, match="image: variable 'gone' is not defined"):
        renderer.value("{{ gone }}", {}, name="image")
    with pytest.raises(ValueError, match="there is no 'x' in a mapping of none"):
        renderer.value("{{ input.x }}", {"input": {}})


def test_variables_and_fields(renderer):
    template = (
        "{{ a }} {{ input.b }} {{ input['c'] }} {% if d is defined %}{{ d }}{% endif %}{{ input.e | default('') }}"
        "{{ sample.id }}{% for s in shots %}{{ s.x }}{% endfor %}{{ range(3) }}{{ input[a] }}{% set z = 1 %}{{ z }}"
    )
    assert renderer.variables(template) == {"a", "d", "input", "sample", "shots"}
    assert renderer.fields(template) == {"a", "b", "c"}
    with pytest.raises(ValueError, match="p, line 1"):
        renderer.variables("{{", name="p")


def test_includes_are_found_through_others(renderer):
    assert renderer.includes("{% include 'outer.j2' %}{% include 'part.j2' %}") == {
        "outer.j2": "{% include 'part.j2' %}!",
        "part.j2": "part of {{ text }}",
    }
    with pytest.raises(ValueError, match="p: there is no template 'gone'"):
        renderer.includes("{% include 'gone' %}", name="p")
    with pytest.raises(ValueError, match="as plain text"):
        renderer.includes("{% include text %}")


def test_many_templates_do_not_pile_up(renderer):
    for number in range(1100):
        assert renderer.render(f"{number} {{{{ text }}}}", VARIABLES) == f"{number} hello"
    assert len(renderer._compiled) <= 1024


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_values_are_never_templates(text):
    assert Renderer(None).render("[{{ t }}]", {"t": text}) == f"[{text}]"


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="{}%#_ .ax'[]()|", max_size=40))
def test_any_template_renders_or_says_its_name(text):
    try:
        said = f"me: {Renderer(None).render(text, {'a': 1}, name='me')}."
    except ValueError as error:
        said = str(error)
    assert re.match(r"me(, line \d+)?: .", said)


PLAIN = [
    "text ",
    "\n",
    "{{ t }}",
    "{{ input.x }}",
    "{{ input['x y'] }}",
    "{{ input.deep.items }}",
    "{{ range }}",
    "{# c #}",
]
NOT_PLAIN = ["{{ t | upper }}", "{{ self }}", "{{ input[0] }}", "{% if t %}a{% endif %}", "{{ t ~ t }}", "{{ f() }}"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(max_size=3))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(PLAIN), max_size=6), VALUES, VALUES)
def test_a_plain_template_is_filled_in_as_jinja_would(pieces, first, second):
    renderer, template = Renderer(None), "".join(pieces)
    variables = {"t": first, "range": second, "input": {"x": second, "x y": first, "deep": {"items": [first]}}}
    assert renderer.render(template, variables) == renderer._environment.from_string(template).render(variables)
    assert renderer._compiled[template][1] is not None


@pytest.mark.parametrize("template", NOT_PLAIN)
def test_what_jinja_has_to_decide_is_left_to_it(renderer, template):
    variables = {"t": "a", "self": "mine", "input": [1], "f": lambda: 2}
    assert renderer.render(template, variables) == renderer._environment.from_string(template).render(variables)
    assert renderer._compiled[template][1] is None


def test_a_plain_template_is_bounded_too(renderer):
    with pytest.raises(ValueError, match=f"more than {MAX_OUTPUT} characters"):
        renderer.render("{{ t }}{{ t }}", {"t": "x" * (MAX_OUTPUT // 2 + 1)})
