"""What is written about policies is what the code does: references are fresh, and the example runs."""

import json
import re
from pathlib import Path

import policies
from policies import MemoryGraph, evaluate, parse_policy
from policies.policy import KEYS
from policies.reference import reference
from winnower.policy_explain import HEAD
from winnower.policy_files import shipped_policies
from winnower.policy_table import renewed

FOLDER = Path(policies.__file__).parent
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def block(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_language_is_described_as_it_is() -> None:
    hint = "winnower policy explain --language > policies/LANGUAGE.md"
    assert (FOLDER / "LANGUAGE.md").read_text(encoding="utf-8") == HEAD + reference(), hint


def test_the_table_of_policies_is_fresh() -> None:
    assert renewed(README, shipped_policies()) == README, "python -m winnower.policy_table policies/README.md"


def test_the_example_does_what_it_says() -> None:
    (text,) = block("cypher")
    must, must_not = (MemoryGraph.from_node_link(json.loads(one)) for one in block("json"))
    one = parse_policy(text)
    assert evaluate(one.query, must)
    assert evaluate(one.query, must_not) == []


def test_every_key_is_described_and_used() -> None:
    described = re.findall(r"^\| `([a-z_]+)` \|", README.split("### The head")[1].split("###")[0], re.MULTILINE)
    assert sorted(described) == sorted(KEYS)
    head = block("cypher")[0].split("---")[1]
    assert {line.split(":")[0] for line in head.strip().splitlines() if line[:1].strip("- ")} >= set(KEYS)


def test_every_warning_is_described() -> None:
    source = (FOLDER.parent / "winnower" / "policy_warnings.py").read_text(encoding="utf-8")
    named = set(re.findall(r'yield "([a-z-]+)",', source))
    assert named == set(
        re.findall(r"^\| `([a-z-]+)` \|", README.split("### What is hardly meant")[1].split("\n## ")[0], re.MULTILINE)
    )
