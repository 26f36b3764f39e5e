"""What a program really prints follows the edges of its profile, whatever the program and the compiler's options."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from compiled import compiled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.static.build import profile_of
from grammar.follow import Follow

FLAGS = [("-O0",), ("-O1",), ("-O2",), ("-O3",), ("-Os",), ("-O2", "-no-pie", "-fno-pie"), ("-O2", "-s", "-fno-plt")]
FUNCTIONS = 4
RANDOM = """
static unsigned state;
static int dice(void) { state = state * 1103515245u + 12345u; return state >> 16 & 7; }
static int depth;
"""
FRAME = (
    "__attribute__((noinline)) static int f{0}(void) "
    "{{ if (++depth > 9) {{ depth--; return 0; }} {1} depth--; return 1; }}"
)
MAIN = """
int main(int count, char **words) { state = atoi(words[1]); puts("s0 begin"); f0(); f3(); puts("s1 end"); return 0; }
"""


def statement(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blocks = st.lists(inner, min_size=1, max_size=3).map(" ".join)
    return st.one_of(
        st.builds("if (dice() > 3) {{ {} }} else {{ {} }}".format, blocks, blocks),
        st.builds("for (int i = dice() & 3; i > 0; i--) {{ {} if (!dice()) break; }}".format, blocks),
        st.builds(
            "switch (dice()) {{ case 0: {0} case 1: {1} break; case 2: {2} break; case 3: {1} break; "
            "case 5: {0} break; case 6: {2} default: ; }}".format,
            blocks, blocks, blocks,
        ),
    )  # fmt: skip


SAY = st.just("SAY;")
CALL = st.integers(0, FUNCTIONS - 1).map("f{}();".format)
LEAVE = st.sampled_from(["if (!dice()) { depth--; return 2; }", "if (!dice() && !dice()) exit(0);", "f1() && f2();"])
BODY = st.lists(st.recursive(st.one_of(SAY, SAY, CALL, LEAVE), statement, max_leaves=6), min_size=1, max_size=4)


def program(bodies: list[list[str]]) -> str:
    """Each SAY prints a string of its own: some as printf, some as puts or fputs."""
    text = " ".join(f"static int f{n}(void);" for n in range(FUNCTIONS))
    text += " ".join(FRAME.format(n, " ".join(body)) for n, body in enumerate(bodies))
    text += MAIN
    ways = ['printf("s{} said %d\\n", dice())', 'puts("s{} said")', 'fputs("s{} said\\n", stdout)']
    pieces = text.split("SAY")
    said = [ways[n % 3].format(n + 2) for n in range(len(pieces) - 1)]
    return RANDOM + pieces[0] + "".join(way + piece for way, piece in zip(said, pieces[1:], strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("executed")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(BODY, min_size=FUNCTIONS, max_size=FUNCTIONS), st.sampled_from(FLAGS), st.integers(0, 10_000))
def test_printed_lines_follow_the_edges(
    folder: Path, bodies: list[list[str]], flags: tuple[str, ...], seed: int
) -> None:
    """For any program, the string of each printed line is a successor of the string of the line before."""
    made = compiled(program(bodies), folder, *flags)
    profile = profile_of([made], engine="fast")
    follow = Follow(profile)
    known: dict[str, set[int]] = {}
    for at, one in enumerate(profile.strings):
        known.setdefault(one.text.split()[0], set()).add(at)
    for run in range(3):
        done = subprocess.run([str(made), str(seed + run)], capture_output=True, text=True, check=True, timeout=20)
        lines = [line.split()[0] for line in done.stdout.splitlines()]
        assert known.keys() >= set(lines)
        for one, two in pairwise(lines[:2_000]):
            assert any(follow.follows(a, b) for a in known[one] for b in known[two]), (one, two, flags)
