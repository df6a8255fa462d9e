"""The YAML inside the encrypted file: any text round trips, faults name a line and no content."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfleet.secrets import Secret
from mailfleet.secrets.document import dump, parse
from mailfleet.secrets.errors import InvalidDocumentError

CANARY = "canary-5c1d"
NAMES = st.sampled_from(["a", "0", "-", "postal/signing_key", "dkim/example.com"])
# Everything that UTF-8 can carry.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.dictionaries(NAMES, TEXTS))
def test_every_text_round_trips(plain):
    values = {name: Secret(text) for name, text in plain.items()}
    assert parse(dump(values), "test") == values


@pytest.mark.parametrize(
    "text",
    ["0123", "yes", "~", "null", "2026-01-01", "1e3", " a ", "a\n", "\na", "  a\nb", "a: b", "#a",
     "'", '"', "{a", "- a", "a\r\nb", "\ta\n\tb", "\x00", "\x85", "\u2028", "\ufeff", "=", "<<"],
)  # fmt: skip
def test_awkward_texts_round_trip(text):
    assert parse(dump({"a": Secret(text)}), "test") == {"a": Secret(text)}


def test_keys_of_several_lines_are_readable_blocks():
    assert dump({"k": Secret("one\ntwo\n")}) == "k: |\n  one\n  two\n"


def test_an_empty_text_has_no_secrets():
    assert parse("", "test") == parse("# only a comment\n", "test") == parse("{}\n", "test") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"- {CANARY}\n", "not a YAML mapping"),
        (f"{CANARY}", "not a YAML mapping"),
        (f"a: 1\nb: [{CANARY}\n", "line 3: not valid YAML"),
        (f'a: "{CANARY}\n', "not valid YAML"),
        (f"a: {CANARY}: x\n", "line 1: not valid YAML"),
        (f"a: {CANARY}\x01\n", "not valid YAML"),
        (f"a: *{CANARY}\n", "not valid YAML"),
        (f"a: b\n---\nc: {CANARY}\n", "not valid YAML"),
        (f"a:\n  b: {CANARY}\n", "line 2: a: one text"),
        (f"a: [{CANARY}]\n", "line 1: a: one text"),
        ("a: ok\nb: 0123\n", "line 2: b: put the value in quotes"),
        ("a: yes\n", "line 1: a: put the value in quotes"),
        ("a:\n", "put the value in quotes"),
        (f"a: !!binary {CANARY}\n", "put the value in quotes"),
        ('a: ""\n', "line 1: a: the value is empty"),
        (f"a: x\na: {CANARY}\n", "line 2: a is there twice"),
        (f"{CANARY}!: x\n", "line 1: not a name"),
        (f"? [{CANARY}]\n: x\n", "line 1: a secret's name"),
    ],
)
def test_faults_name_the_line_and_no_content(text, complaint):
    with pytest.raises(InvalidDocumentError) as caught:
        parse(text, "FILE")
    shown = str(caught.value)
    assert shown.startswith("FILE")
    assert complaint in shown
    assert "\n" not in shown
    assert_nothing_leaks(caught.value)


def assert_nothing_leaks(error):
    assert CANARY not in "".join(traceback.format_exception(error, chain=True))
    while error:
        assert CANARY not in f"{error} {error.args!r}"
        error = error.__cause__ or error.__context__
