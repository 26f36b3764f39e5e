"""`winnower monitor …`: tokens, agents, revoking and control work on the state, whether the monitor runs or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grammar import InputError
from grammar.control import Enrol
from grammar.signing import Signer, Token
from monitor.config import example
from monitor.register import Register
from monitor.store import Store
from winnower.monitor_command import laws, monitor, read_config
from winnower.policies_loader import Loader


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "m.toml"
    path.write_text('state = "state"\nepoch = "20s"\n')
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(monitor, [str(one) for one in arguments])


def said(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def enrol(config: Path, name: str) -> None:
    token = Token.parse(said("token", name, "--config", config))
    with_store = Register(Store(config.parent / "state", create=True, live=True))
    signer = Signer(bytes(31) + name.encode()[-1:])
    asked = Enrol(name, signer.public, token.id, bytes(32))
    proven = Enrol(name, signer.public, token.id, token.proof("agent", asked.proven))
    with with_store.store.transaction():
        with_store.enrol(proven, 1_000, bytes(32))
    with_store.store.close()


def test_the_example_is_the_shipped_file_and_passes_the_check(tmp_path: Path) -> None:
    assert said("check-config", "--example") == example()
    path = tmp_path / "m.toml"
    path.write_text(example())
    assert said("check-config", "--config", path).startswith("no errors; ")


def test_a_check_reports_settings_and_policies(config: Path) -> None:
    config.write_text('state = "state"\nepoc = 1\n[listen]\nport = "x"\n')
    error = call("check-config", "--config", config).exception
    assert isinstance(error, InputError)
    assert [line.split(":")[1] for line in str(error).splitlines()] == ["2", "4"]
    (config.parent / "bad.cypher").write_text("---\nid: X\n---\nMATCH\n")
    config.write_text('[policies]\nfiles = ["bad.cypher"]\n')
    error = call("check-config", "--config", config).exception
    assert isinstance(error, InputError)
    assert "bad.cypher" in str(error)
    assert call("check-config").exit_code == 2


def test_agents_are_listed_and_revoked(config: Path) -> None:
    said("token", "w1", "--config", config)
    assert said("agents", "--config", config) == "no agents\n"
    for name in ("w1", "w2"):
        enrol(config, name)
    state = config.parent / "state"
    listed = json.loads(said("agents", "--state", state, "--format", "json"))
    assert [(one["name"], one["revoked"]) for one in listed] == [("w1", False), ("w2", False)]
    assert said("revoke", "w1", "--config", config) == "revoked\n"
    table = said("agents", "--config", config)
    assert "revoked" in table
    assert "never" in table
    again = CliRunner().invoke(monitor, ["revoke", "w1", "--config", str(config)], standalone_mode=False)
    assert again.return_value == 1


def test_a_token_is_one_line_and_good_for_its_name(config: Path) -> None:
    line = said("token", "w1", "--lasts", "1h", "--config", config)
    assert Token.parse(line).text + "\n" == line
    for name in ("a b", "-x", "../x"):
        assert call("token", "--config", config, "--", name).exit_code != 0
    assert call("token", "w1", "--lasts", "soon", "--config", config).exit_code == 2


def test_control_is_shown_and_changed(config: Path) -> None:
    said("token", "w1", "--config", config)
    assert "epochs of 5 s" in said("control", "--config", config, "--epoch", "5s")
    assert "revision 1: epochs of 5 s" in said("control", "--config", config)
    assert "revision 2: epochs of 20 s" in said("control", "--config", config, "--epoch", "default")
    for bad in ("5", "10ms", "2h", "1500ms"):
        assert call("control", "--config", config, "--epoch", bad).exit_code == 2


def test_where_the_state_is_must_be_said(config: Path, tmp_path: Path) -> None:
    for arguments in ((), ("--config", config, "--state", tmp_path)):
        assert call("agents", *arguments).exit_code == 2
    error = call("agents", "--state", tmp_path).exception
    assert isinstance(error, InputError)
    assert "no monitor state here" in str(error)


def test_laws_are_the_shipped_policies_and_ones_own_with_their_texts(config: Path) -> None:
    text = "---\nid: mine\ntitle: t\nseverity: low\ntechnique: T1000\nfalse_positives: none known\n---\n"
    text += "MATCH (p:Process {name: 'x'}) RETURN p.name AS name\n"
    (config.parent / "mine.cypher").write_text(text)
    config.write_text('[policies]\nfiles = ["mine.cypher"]\n')
    found = laws(read_config(config), Loader())
    assert found.policies[-1].id == "mine"
    assert found.texts[-1] == ("mine.cypher", text)
    assert len(found.texts) == len(found.policies) > 1
    (config.parent / "again.cypher").write_text(text)
    config.write_text('[policies]\nshipped = false\nfiles = ["mine.cypher", "again.cypher"]\n')
    found = laws(read_config(config), Loader())
    assert ([one.id for one in found.policies], found.bad) == (["mine"], 1)
