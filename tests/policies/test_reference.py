"""The reference lists what can be written, and nothing else."""

import re

import pytest

from policies import reference
from policies.functions import FUNCTIONS
from policies.lalr import tables
from policies.parse import parse_query
from policies.reference import CLAUSES, EXPRESSIONS, OPERATORS, PATTERNS, Entry
from policies.vocabulary import FIELDS

WRITTEN = (*CLAUSES, *PATTERNS, *OPERATORS, *EXPRESSIONS)


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: str(entry.name))
def test_every_example_parses(entry: Entry) -> None:
    assert parse_query(entry.example).parts


def test_every_word_and_sign_of_the_grammar_is_in_an_example() -> None:
    text = " ".join(f"{entry.name} {entry.example}" for entry in WRITTEN)
    parts = set(re.findall(r"\w+|[^\w\s]+|[^\w\s]", text.upper())) | set(text)
    missing = [word for word in tables().words if word not in parts]
    assert missing == [";"]


def test_every_function_and_field_is_listed() -> None:
    text = reference.reference()
    for function in FUNCTIONS.values():
        assert f"`{function.signature}`".replace("|", "\\|") in text
    for fields in FIELDS.values():
        for name in fields:
            assert f"| `{name}` |" in text


def test_the_reference_is_tables() -> None:
    for line in reference.reference().split("\n"):
        assert re.fullmatch(r"(### .*|\|.*\|)?", line)
        assert len(re.findall(r"(?<!\\)\|", line)) in (0, 3)
