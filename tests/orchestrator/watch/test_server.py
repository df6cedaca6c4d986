"""What the server answers to whom, and that nobody leaves anything behind."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.store.lock import ResultsLock
from orchestrator.watch.guard import names_this_machine, new_token, path_below
from orchestrator.watch.server import PAGES, serving
from tests.orchestrator.sample import CNN_SGD, MLP_SGD, complete, epochs, write_running, write_sample
from tests.orchestrator.watch.served import Page, open_files, served


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("results") / "demo").root


@pytest.fixture(scope="module")
def page(results: Path) -> Iterator[Page]:
    with served(results) as page:
        yield page


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("", "text/html"),
        ("report.css", "text/css"),
        ("watch.css", "text/css"),
        ("look.js", "text/javascript"),
        ("curves.js", "text/javascript"),
        ("watch.js", "text/javascript"),
    ],
)
def test_the_page_and_its_files_are_served_with_a_strict_policy(page: Page, name: str, type_: str):
    status, headers, body = page.ask(path=page.path + name)
    assert status == 200
    assert headers["content-type"] == f"{type_}; charset=utf-8"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert b"http" not in body.replace(b"http://www.w3.org/2000/svg", b"")  # nothing is asked for elsewhere
    head_status, head, nothing = page.ask("HEAD", page.path + name)
    assert (head_status, head["content-length"], nothing) == (200, str(len(body)), b"")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.1:1", "localhost:65535", "[::1]:80"]
)
def test_this_machine_may_have_any_of_its_names(page: Page, host: str):
    assert page.ask(Host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:80:80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1 evil.example",
        "127.0.0.1, evil.example",
        "0.0.0.0",
        "127.0.0.2",
        "[::]",
        "[::1",
        "::1",
        "",
        ".",
    ],
)
def test_a_page_of_another_name_learns_nothing(page: Page, host: str):
    status, _, body = page.ask(Host=host)
    assert (status, body) == (404, b"not found\n")


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "evil.example"]])
def test_there_is_one_host(page: Page, hosts: list[str]):
    assert not names_this_machine(hosts)
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    said = page.say(f"GET {page.path} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
    assert said.startswith((b"HTTP/1.1 404", b"HTTP/1.0 400"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_nothing_can_be_asked_but_to_read(page: Page, method: str):
    for path in (page.path, f"{page.path}events", "/", "/elsewhere/"):
        status, headers, _ = page.ask(method, path)
        assert (status, headers["allow"]) == (405, "GET, HEAD")


PATHS = [
    "/",
    "//",
    "/favicon.ico",
    "/events",
    "/watch.js",
    "/%2e%2e/",
    "TOKEN",
    "TOKENx",
    "TOKEN/",
    "TOKEN../",
    "TOKEN../../etc/passwd",
    "TOKEN%2e%2e/journal.sqlite",
    "TOKEN./watch.js",
    "TOKEN/watch.js",
    "TOKENwatch.js?x=1",
    "TOKEN?x",
    "TOKENwatch.js/",
    "TOKENwatch%2ejs",
    "TOKENWATCH.JS",
    "TOKENserver.py",
    "TOKENevents/",
    "TOKENjournal.sqlite",
    "TOKEN\\..\\journal.sqlite",
    "TOKENwatch.js%00",
    "TOKEN" + "a" * 4000,
]


@pytest.mark.parametrize("path", [path for path in PATHS if path != "TOKEN"])
def test_another_path_is_not_there(page: Page, path: str):
    status, _, body = page.ask(path=path.replace("TOKEN", page.path))
    assert (status, body) == (404, b"not found\n")


@pytest.mark.parametrize("change", ["none", "short", "long", "case", "slash", "encoded", "not ascii"])
def test_another_token_is_not_there(page: Page, change: str):
    token = page.path.strip("/")
    other = {
        "none": "",
        "short": token[:-1],
        "long": f"{token}a",
        "case": token.swapcase(),
        "slash": f"x/{token}",
        "encoded": f"%{ord(token[0]):02x}{token[1:]}",
        "not ascii": "%ff%fe",
    }[change]
    assert page.ask(path=f"/{other}/")[0] == 404
    assert path_below(token, f"/{other}/") is None
    assert path_below(token, token) is None
    assert path_below(token, f"/{token}/a/b") == "a/b"


def test_a_token_is_never_the_same():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) >= 43 and "/" not in token for token in tokens)


RAW = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET http://127.0.0.1TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X%d: a\r\n" % at for at in range(5000)) + b"\r\n",
    b"GET TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"GET TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n",
    b"GET TOKEN\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST TOKEN HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n" + b"a" * 70_000,
]


@pytest.mark.parametrize("raw", RAW, ids=range(len(RAW)))
def test_what_is_no_request_for_the_page_is_refused(page: Page, raw: bytes):
    said = page.say(raw.replace(b"TOKEN", page.path.encode()))
    assert said == b"" or said.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 404", b"HTTP/1.1 405")), said[
        :200
    ]


def test_a_thousand_hostile_requests_read_nothing_and_write_nothing(
    page: Page,
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    draw = random.Random(14)
    before = {file: file.stat().st_mtime_ns for file in results.rglob("*")}
    looked: list[Path] = []
    monkeypatch.setattr("orchestrator.watch.reading.ResultsReader.look", lambda reader: looked.append(reader._root))
    hosts = ["evil.example", "127.0.0.1.evil.example:80", "attacker.test", "", "127.0.0.1"]
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]
    files = open_files()
    for _ in range(1000):
        token = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=43))
        host, method = draw.choice(hosts), draw.choice(methods)
        own = draw.random() < 0.5 and (host != "127.0.0.1" or method not in ("GET", "HEAD"))
        name = draw.choice(["", "events", "watch.js", "../../etc/passwd", "x" * 3000])
        path = f"{page.path if own else f'/{token}/'}{name}"
        status, _, body = page.ask(method, path, Host=host, X_Huge="a" * draw.choice([0, 10, 6000]))
        assert status == (404 if method in ("GET", "HEAD") else 405)
        assert len(body) < 60
    assert looked == []
    assert {file: file.stat().st_mtime_ns for file in results.rglob("*")} == before
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert open_files() <= files


def test_looks_come_as_the_journal_grows(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    with ResultsLock(paths), served(paths.root) as page, page.listening() as looks:
        first = next(looks)
        assert (first["state"], first["counts"]["done"], first["slots"][0]["epoch"]) == ("running", 1, 2)
        epochs(journal, CNN_SGD, 0, [0.5, 0.6, 0.7])
        journal.commit()
        second = next(look for look in looks if look["slots"][0]["epoch"] == 3)
        assert second["curves"][0]["values"] == [0.5, 0.6, 0.7]
        complete(journal, MLP_SGD, 1, accuracy=0.9)
        journal.commit()
        third = next(look for look in looks if look["counts"]["done"] == 2)
        assert third["boards"][0]["cells"][0]["completed"] == 2
    journal.close()


def test_a_page_that_is_open_at_the_end_has_the_last_look(tmp_path: Path):
    root = tmp_path / "demo"
    with ExitStack() as opened:
        with served(root) as page:
            looks = opened.enter_context(page.listening())
            assert next(looks)["state"] == "absent"
            write_sample(root)
        *_, last = looks  # the stream ends with the server
    assert last["counts"]["planned"] == 12


def test_nothing_is_read_as_long_as_no_page_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    looked: list[str] = []
    monkeypatch.setattr("orchestrator.watch.local.Looks.next", lambda looks: looked.append("") or '{"n": 1}')
    with served(tmp_path) as page:
        page.ask()
        page.ask("HEAD", f"{page.path}events")
        assert looked == []
        with page.listening() as looks:
            assert next(looks) == {"n": 1}
    assert looked


def test_tabs_that_are_killed_leave_nothing(results: Path):
    with served(results) as page:
        idle = page.tasks()
        with page.listening() as looks:
            next(looks)
        _settled(page, idle)
        tasks, files = page.tasks(), open_files()
        for _ in range(20):
            connections = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(5)]
            for connection in connections:
                connection.sendall(f"GET {page.path}events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
                assert connection.recv(64).startswith(b"HTTP/1.1 200")
            for connection in connections:  # killed, and not closed: a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                connection.close()
            _settled(page, idle)
        assert (page.tasks(), open_files()) == (tasks, files)
        with page.listening() as looks:  # and others are served
            assert next(looks)["counts"]["planned"] == 12


def _settled(page: Page, tasks: int) -> None:
    """Wait until no more tasks are there than so many."""
    deadline = time.monotonic() + 30
    while page.tasks() > tasks and time.monotonic() < deadline:
        time.sleep(0.02)


def test_pages_are_counted(results: Path):
    with served(results) as page, ExitStack() as opened:
        for _ in range(PAGES):
            next(opened.enter_context(page.listening()))
        status, headers, _ = page.ask(path=f"{page.path}events")
        assert (status, headers["retry-after"]) == (503, "10")
        assert page.ask()[0] == 200


async def _refused(port: int) -> None:
    async def nothing(_: object) -> None: ...

    async with serving(nothing, port):  # type: ignore[arg-type]
        pass


def test_a_port_that_is_taken_is_the_users_error(page: Page):
    import asyncio

    with pytest.raises(UserError, match=rf"port {page.port}: .*choose another --port"):
        asyncio.run(_refused(page.port))


def test_it_listens_on_loopback_alone(page: Page):
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = [fields[1] for fields in listening if fields[3] == "0A" and fields[1].endswith(f":{page.port:04X}")]
    assert mine == [f"0100007F:{page.port:04X}"]
