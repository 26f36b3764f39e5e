"""A template matches its line, is the same on every worker, and nobody's text makes more than there is room for."""

from __future__ import annotations

import csv
import io
import pickle
import string
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mining import agreement, grouping, mined
from mining_lines import SYSTEMS, lines_of

from agent.miner import MAX_CATCH_ALL, MAX_EVIDENCE, MAX_NODES, ROOM, TAU, Miner
from agent.miner_outline import outline_of
from agent.miner_requests import SECRET
from agent.miner_rules import MAX_TEXT, mask, shape_of
from grammar import Pattern
from grammar.line import MAX_MESSAGE

LETTERS = string.ascii_lowercase


def matches(template: str, line: str) -> bool:
    return Pattern.parse(template).matches(line)


# What the rules say, without memory.

EXAMPLES = {
    "portal: user user31 logged in from 10.0.0.7": "portal: user {term} logged in from {ip}",
    "portal: failed login for user31r9E22 (attempt 3)": "portal: failed login for {term} (attempt {int})",
    "Failed password for root from 10.0.0.7 port 4711 ssh2": "Failed password for {term} from {ip} port {int} ssh2",
    "Failed over ssh5 by HTTP/1.1": "Failed over {term} by HTTP/1.1",
    "Invalid user a b c from 10.0.0.7": "Invalid user {text} from {ip}",
    "check pass; user unknown": "check pass; user unknown",
    "login failed": "login failed",
    "AH00163: Apache/2.4.68 (Debian) configured": "AH00163: Apache/{term} (Debian) configured",
    "jk2_init() Found child 6725 in scoreboard slot 10": "jk2_init() Found child {int} in scoreboard slot {int}",
    "Received block blk_-12 of size 67 from /10.0.0.7": "Received block {term} of size {int} from /{ip}",
    "took 0.25 s, 12 of 20%": "took {float} s, {int} of {int}%",
    "at 0xdeadbeef in 01234567-89ab-cdef-0123-456789abcdef": "at {pointer} in {uuid}",
    "uid=0 euid=-1 tty=ssh rhost=a.b.example.com on=2024-01-02": "uid={int} euid={int} tty=ssh rhost={term} on={term}",
    "password=hunter token=abc user=bob status=ok": "password={term} token={term} user={term} status=ok",
    "mail to bob@example.com from /var/spool/x": "mail to {term} from {term}",
    "Unknown column 'pw' in 'where clause'": "Unknown column '{text}' in '{text}'",
    'can\'t open "a b"': 'can\'t open "{text}"',
    '10.0.0.1 "GET /x HTTP/1.1" status: 200': '{ip} "GET {text}" status: {int}',
    '{"level":"info","pid":12}': '\\{"level":"{text}","pid":{int}\\}',
    "free 384.0 B or 12 KB": "free {float} {term} or {float} {term}",
    "closed, lifetime <1 sec": "closed, lifetime {text}",
    "closed, lifetime 00:17": "closed, lifetime {text}",
    "connection at Mon Jul 25 23:23:13 2005": "connection at {text}",
    "since Jan  5 only": "since {term}  {int} only",
    "from 00:11:43:e3:ba:c3 via eth1": "from {term} via {term}",
    "first line\nsecond line": "first line{any}",
    "a{b}\\c": "a\\{b\\}\\\\c",
    "": "",
}
REQUESTS = {
    "GET /app.php?a=login&u=user31&p=x 401": "GET /app.php?a=login&u={term}&p={term} 401",
    "GET /app.php?a=home 200": "GET /app.php?a=home 200",
    "GET /p5.html 200": "GET /p{int}.html 200",
    "GET /d/missing25.html 404": "GET /d/missing{int}.html 404",
    "POST /item/188 200": "POST /item/{int} 200",
    "GET /receipt?order=115&debug= 200": "GET /receipt?order={term}&debug= 200",
    "GET /?%3Cscript%3E 400": "GET /?{term} 400",
    "GET /a/../../etc/passwd 404": "GET /a/{word}/{word}/etc/passwd 404",
    "CONNECT evil.example:443 405": "CONNECT {term} 405",
    "GET / 200": "GET / 200",
    "GET /a/b/c/d/e/f/g/h 404": "GET /a/b/c/d/e/f/{term} 404",
}
STATEMENTS = {
    "Execute INSERT INTO users(name) VALUES('user31','$2y$04$x')": "Execute INSERT INTO users(name) VALUES({text})",
    "Prepare INSERT INTO users(name,pw) VALUES(?,?)": "Prepare INSERT INTO users(name,pw) VALUES(?,?)",
    "SELECT pw FROM users WHERE name='a\\'b' AND n=5": "SELECT pw FROM users WHERE name='{text}' AND n={int}",
    "select a from t where n in (1, 2,3)": "select a from t where n in ({text})",
    "SELECT * FROM t WHERE n='x' OR 1=1 -- '": "SELECT * FROM t WHERE n='{text}' OR {int}={int} -- '{text}",
}


@pytest.mark.parametrize(("line", "template"), [*EXAMPLES.items(), *REQUESTS.items(), *STATEMENTS.items()])
def test_the_rules_put_fields_for_values(line: str, template: str) -> None:
    assert mask(line).text == template
    assert Miner().template(line) == template
    assert matches(template, line)


def test_what_keys_of_secrets_have_is_a_field_wherever_it_stands() -> None:
    for key in SECRET:
        for line in (f"GET /x?{key}=hunter 200", f"opened {key}=hunter now", f'opened {key}="hunter two" now'):
            assert "hunter" not in mask(line).text, line


PIECES = [
    *"=\"'{}\\/5:[]() <>\t\r\n\0&-,.é٣\udc80", "  ", "user",
    "10.0.0.1", "a5", "GET /", " 200", "?a=", "SELECT ",
    "VALUES(", "IN (", "for ", " from ", "0x1f", "::", "invalid user ", "lifetime ", "KB", "Jan 5",
    "k=v", 'key="b c"', "{int}",
]  # fmt: skip
lines = st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


@given(lines)
def test_a_template_matches_its_line_whatever_it_is(line: str) -> None:
    miner = Miner()
    assert matches(miner.template(line), line)
    assert matches(miner.settled(line), line)


@given(lines)
def test_which_digits_a_line_has_makes_no_difference(line: str) -> None:
    """A shape stands for all its lines, unless the rules have asked for the digits themselves."""
    found = mask(line)
    if not found.exact:
        assert mask(shape_of(line)) == found


@given(lines)
def test_an_outline_filled_with_its_words_is_the_line(line: str) -> None:
    masked = mask(line).text
    outline = outline_of(masked)
    assert outline.fill(outline.words) == masked
    assert not any(c in word for word in outline.words for c in " \t\r\n")


# What the threshold says.


def test_a_word_that_keeps_changing_becomes_a_field_for_good() -> None:
    miner = Miner()
    names = [f"{a}{b}low" for a in LETTERS[:3] for b in LETTERS[:4]]
    given_out = [miner.template(f"cache {name} is warm now") for name in names]
    assert given_out[:TAU] == [f"cache {name} is warm now" for name in names[:TAU]]
    assert set(given_out[TAU:]) == {"cache {term} is warm now"}
    assert {miner.settled(f"cache {name} is warm now") for name in names} == {"cache {term} is warm now"}
    assert {miner.template(f"cache {name} is warm now") for name in names} == {"cache {term} is warm now"}
    assert miner.current(given_out[0]) == "cache {term} is warm now"
    assert (miner.templates, miner.learned()) == (1, ["cache {term} is warm now"])


def test_two_words_that_change_together_are_two_fields() -> None:
    random, miner = Random(5), Miner()
    for _ in range(200):
        a, b = ("".join(random.choices(LETTERS, k=7)) for _ in "ab")
        last = miner.template(f"moved {a} to {b} at once")
    assert last == "moved {term} to {term} at once"


def test_a_word_where_a_value_stood_is_a_value() -> None:
    miner = Miner()
    miner.template("worker w12 gave up")
    assert miner.template("worker main gave up") == "worker {term} gave up"
    assert miner.template("worker main woke up") == "worker {term} woke up"


def test_a_value_at_the_beginning_of_a_line_leaves_other_first_words_alone() -> None:
    miner = mined(["10.0.0.1 arrived", "w12 arrived", "server arrived", "server stopped"])
    assert miner.settled("server stopped") == "server stopped"
    assert miner.settled("10.0.0.1 arrived") == miner.settled("w12 arrived") == "{term} arrived"


def test_numbers_of_both_kinds_are_one_field_and_words_beside_them_stay() -> None:
    miner = Miner()
    for line in ("took 5 s", "took 2.5 s", "took long s"):
        miner.template(line)
    assert miner.settled("took 5 s") == "took {float} s"
    assert miner.settled("took long s") == "took long s"


def test_pages_that_are_served_are_told_apart_longer_than_those_that_are_not() -> None:
    pages = [f"/{a}{b}" for a in LETTERS[:5] for b in LETTERS[:4]]
    miner = mined([f"GET {page} {status}" for page in pages for status in (200, 404)])
    assert miner.settled("GET /aa 200") == "GET /aa 200"
    assert miner.settled("GET /aa 404") == "GET /{word} 404"


WORDS = [*"abcdefghijk", "5", "1.5", "x1", "10.0.0.1", "user=x", "k=5", "k=v1", "k=w"]


def in_many_orders(seed: int) -> tuple[list[str], list[Miner]]:
    """Lines of a few words, and what four miners made of them, each in an order of its own."""
    random = Random(seed)
    known = random.sample(WORDS, random.randint(2, len(WORDS)))
    places = [random.sample(known, random.randint(1, len(known))) for _ in range(random.randint(1, 4))]
    said = [" ".join(map(random.choice, places)) for _ in range(random.randint(2, 120))]
    tau, miners = random.randint(1, TAU), []
    for _ in range(4):
        random.shuffle(said)
        miners.append(Miner(tau))
        for line in said:
            miners[-1].template(line)
    return said, miners


@given(st.integers(0, 10**9))
def test_the_order_of_lines_leaves_no_trace(seed: int) -> None:
    """Whatever the order, every line has the same template in the end, and there are as many as are given."""
    for each in range(seed, seed + 5):
        said, miners = in_many_orders(each)
        found = [{line: miner.settled(line) for line in said} for miner in miners]
        assert all(one == found[0] for one in found)
        assert all(miner.templates == len(set(found[0].values())) for miner in miners)
        assert all(miner.template(line) == found[0][line] for miner in miners for line in said)


def test_lines_that_rules_settle_are_the_same_at_once_in_any_order() -> None:
    said = [line for line in EXAMPLES if line] + list(STATEMENTS)
    expected = {line: mask(line).text for line in said}
    for seed in range(10):
        Random(seed).shuffle(said)
        miner = Miner()
        assert {line: miner.template(line) for line in said} == expected


def test_workers_that_adopt_what_each_has_learned_agree() -> None:
    random = Random(3)
    said = [f"plugin {''.join(random.choices(LETTERS, k=6))} of {random.choice('xyz')} ready" for _ in range(40)]
    workers = [mined(said[:20]), mined(said[20:25]), mined([])]
    learned = sorted({one for worker in workers for one in worker.learned()})
    for worker in workers:
        worker.adopt([*learned, "{nonsense", "}" * 9000, "{int} {term}"])
    assert agreement({worker.settled(line) for line in said} for worker in workers) == 1


# What it may take.


class _Ours(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        assert module == "agent.miner", (module, name)
        return super().find_class(module, name)


def again(miner: Miner) -> Miner:
    """The miner saved and restored, as `agent.snapshot` does: classes of this module, and nothing else."""
    restored = _Ours(io.BytesIO(pickle.dumps(miner, protocol=5))).load()
    assert isinstance(restored, Miner)
    return restored


def test_saved_and_restored_in_the_middle_it_goes_on_the_same() -> None:
    said = [line for system in ("Hadoop", "Android") for _, line in lines_of(system, 400)]
    whole, half = Miner(), mined(said[:350])
    expected = [whole.template(line) for line in said][350:]
    restored = again(half)
    assert [restored.template(line) for line in said[350:]] == expected
    assert pickle.dumps(restored) == pickle.dumps(again(restored))


def made_up(random: Random, most: int = 12, letters: str = LETTERS) -> str:
    return "".join(random.choices(letters, k=random.randint(1, most)))


URL = string.ascii_letters + string.digits + "-_.%~"


def address(random: Random) -> str:
    path = "".join("/" + made_up(random, 14, random.choice((LETTERS, URL))) for _ in range(random.randint(1, 9)))
    keys = "&".join(f"{made_up(random, 8, URL)}={made_up(random, 9, URL)}" for _ in range(random.randint(0, 4)))
    return f"{random.choice(('GET', 'POST', 'HEAD'))} {path}{'?' if keys else ''}{keys}"


FLOODS: dict[str, tuple[Callable[[Random], str], int]] = {
    "scan": (lambda r: f"{address(r)} 404", 200),
    "scan of what answers always": (lambda r: f"{address(r)} {r.choice((200, 301, 403, 500))}", 500),
    "user names": (lambda r: f"portal: user {made_up(r)} logged in from 10.0.0.{r.randrange(255)}", 3),
    "strange user names": (lambda r: f"Invalid user {made_up(r, 20, URL + ' ')} from 10.0.0.1", 3),
    "names no rule knows": (lambda r: f"order by {made_up(r)} of {made_up(r)} done", 80),
    "statements": (lambda r: f"SELECT {made_up(r)} FROM {made_up(r)} WHERE n='{made_up(r)}' UNION SELECT 1", 300),
    "words": (lambda r: " ".join(made_up(r) for _ in range(r.randint(1, 12))), 1_300),
    "keys": (lambda r: " ".join(f"{made_up(r, 6)}={made_up(r, 6)}" for _ in range(r.randint(1, 8))), 1_300),
    "anything": (lambda r: made_up(r, 80, string.printable + "{}\\\0\x1bé"), 1_300),
}  # fmt: skip


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_makes_few_templates_and_little_to_keep(name: str) -> None:
    make, most = FLOODS[name]
    random, miner = Random(11), Miner()
    said = [make(random) for _ in range(6_000)]
    found = {miner.template(line) for line in said}
    assert len(found) <= most
    assert miner.templates <= sum(ROOM.values()) + MAX_CATCH_ALL
    assert len(miner._nodes) <= MAX_NODES
    assert miner._evidence == sum(len(seen) for node in miner._nodes.values() for seen in node.classes.values())
    assert miner._evidence <= MAX_EVIDENCE
    assert len(pickle.dumps(miner)) < 4 << 20
    assert all(matches(miner.template(line), line) for line in said[-200:])


def test_a_flood_of_one_kind_leaves_room_for_the_others() -> None:
    random, miner = Random(2), Miner()
    for _ in range(3_000):
        miner.template(f"{address(random)} 404")
    assert miner.caught > 0
    assert miner.template("GET /index.html 200") == "GET /index.html 200"
    assert miner.template("server started") == "server started"


def test_a_line_without_room_gets_a_catch_all_that_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROOM, "text", 1)
    miner = Miner()
    assert [miner.template(line) for line in ("one two", "three four", "{five} six", "seven")] == [
        "one two",
        "three {any}",
        "{any}",
        "{any}",
    ]
    assert (miner.caught, miner.template("one two")) == (3, "one two")


HOSTILE = {
    "quotes": "'a" * 2048,
    "double quotes": '"' * 4096,
    "braces": "{" * 4096,
    "fields": "{int}" * 819,
    "backslashes": "\\" * 4096,
    "nothing": "\0" * 4096,
    "spaces": " " * 4096,
    "digits": "1" * 4096,
    "equals": "a=" * 2048,
    "commas": "1," * 2048,
    "colons": "a:" * 2048,
    "dots": "a." * 2048,
    "users": "user " * 819,
    "invalid users": "invalid user " * 315,
    "for": " for a" * 682,
    "statement": "SELECT a FROM b WHERE c=" + "'\\" * 2036,
    "list": "SELECT a FROM b WHERE c IN (" + "1," * 2034,
    "values": "INSERT INTO a VALUES(" + "(" * 4070,
    "address": "GET /" + "a/" * 2043 + " 404",
    "query": "GET /?" + "a=b&" * 1021 + " 404",
    "surrogates": "\udc80" * 4096,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lines_take_linear_time(name: str) -> None:
    """A line of the greatest length costs less than 10 ms, a hundred times what it should."""
    line = HOSTILE[name]
    assert len(line) <= MAX_MESSAGE
    miner = Miner()
    start = time.process_time()
    for i in range(10):
        miner.template(f"{LETTERS[i]} {line}" if name != "address" else line)
        miner.template(line[i:])
    assert time.process_time() - start < 0.2
    template = miner.template(line)
    assert len(template) <= 7 * MAX_TEXT
    assert matches(template, line)


# Against the truth.


def score(said: Iterable[tuple[str, str]]) -> tuple[float, float]:
    """Grouping accuracy: by the template that each line was given, and by the one that it has in the end."""
    kinds, texts = zip(*said, strict=True)
    miner = Miner()
    at_once = [miner.template(line) for line in texts]
    return grouping(at_once, kinds), grouping([miner.settled(line) for line in texts], kinds)


@pytest.mark.parametrize("system", ["Apache", "OpenSSH"])
def test_groups_of_loghub_are_found_at_once(shared: Path, system: str) -> None:
    file = shared / "fixtures" / "loghub" / system / f"{system}_2k.log_structured.csv"
    with file.open(newline="", encoding="utf-8") as rows:
        assert score([(row["EventId"], row["Content"]) for row in csv.DictReader(rows)]) == (1.0, 1.0)


@pytest.mark.parametrize("system", SYSTEMS)
def test_groups_of_other_systems_are_found(system: str) -> None:
    at_once, end = score(lines_of(system))
    assert (at_once, end) >= (0.9, 0.9)
