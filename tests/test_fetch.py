"""Whatever a server does ends soon, and with one message."""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from catalog import fetch
from catalog.fetch import FetchError, NotThere, Unreachable, Web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loopback import Server

JSON = ("application/json",)


def asked(web: Web, address: str, params: dict[str, str] | None = None) -> Any:
    return web.get(address, params, kinds=JSON, read=json.loads)


def complaint(web: Web, address: str) -> str:
    with pytest.raises(FetchError) as error:
        asked(web, address)
    message = str(error.value)
    assert "\n" not in message
    return message


def test_an_answer_is_read_and_the_server_knows_who_asked(web: Web, server: Server) -> None:
    server.says("/works", {"a": "é"})
    assert asked(web, server.url("/works"), {"search": "a b&c"}) == {"a": "é"}
    assert server.asked == [("GET", "/works?search=a+b%26c")]
    (agent,) = server.agents
    assert agent.startswith("repro/")
    assert "mailto" not in agent


def test_whoever_wants_to_be_reached_says_so(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.says("/", [])
    monkeypatch.setenv("REPRO_CONTACT", "me@example.org")
    asked(Web(cache=tmp_path, pause=0, trusted=server.trusted), server.url("/"))
    assert server.agents.pop().endswith("mailto:me@example.org)")


def test_an_answer_is_kept_for_a_day(web: Web, server: Server, tmp_path: Path) -> None:
    server.says("/", [1])
    server.says("/", [2])
    assert asked(web, server.url("/")) == [1]
    assert asked(web, server.url("/")) == [1]
    assert asked(web, server.url("/"), {"q": "other"}) == [2]
    for kept in (tmp_path / "web").iterdir():
        os.utime(kept, (0, time.time() - fetch.FRESH - 1))
    assert asked(web, server.url("/")) == [2]


def test_a_damaged_answer_in_the_cache_is_asked_for_again(web: Web, server: Server, tmp_path: Path) -> None:
    server.says("/", [1])
    asked(web, server.url("/"))
    (kept,) = (tmp_path / "web").iterdir()
    for damage in (b"[1", b"\xff\xfe", b""):
        kept.write_bytes(damage)
        assert asked(web, server.url("/")) == [1]


def test_a_cache_that_cannot_be_written_is_done_without(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    server.says("/", [1])
    assert asked(Web(cache=tmp_path / "file", pause=0, trusted=server.trusted), server.url("/")) == [1]


def test_no_server_is_asked_faster_than_agreed(server: Server, tmp_path: Path) -> None:
    server.says("/", [1])
    web = Web(cache=tmp_path, pause=0.2, trusted=server.trusted)
    started = time.monotonic()
    for number in range(3):
        asked(web, server.url("/"), {"q": str(number)})
    assert 0.4 <= time.monotonic() - started < 2


def test_trouble_is_met_with_patience(web: Web, server: Server) -> None:
    server.says("/", "busy", 500)
    server.says("/", "busy", 503)
    server.says("/", "slow down", 429, Retry_After="1")
    server.says("/", [1])
    started = time.monotonic()
    assert asked(web, server.url("/")) == [1]
    assert time.monotonic() - started >= 1
    assert len(server.asked) == 4


def test_patience_has_an_end(web: Web, server: Server) -> None:
    server.says("/", "busy", 500)
    assert complaint(web, server.url("/")) == f"127.0.0.1:{server.port} says 500 Internal Server Error"
    assert len(server.asked) == 4


def test_a_server_that_wants_an_hour_gets_it(web: Web, server: Server) -> None:
    server.says("/", "slow down", 429, Retry_After="3600")
    started = time.monotonic()
    assert "left alone for 3,600 seconds" in complaint(web, server.url("/"))
    assert time.monotonic() - started < 1
    assert len(server.asked) == 1


def test_what_is_not_there(web: Web, server: Server) -> None:
    with pytest.raises(NotThere, match="knows no such thing"):
        asked(web, server.url("/nowhere"))


def endless(piece: bytes, pause: float = 0.0) -> Iterator[bytes]:
    for _ in itertools.count():
        time.sleep(pause)
        yield piece


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        (b"<html>log in</html>", {"Content-Type": "text/html"}, "text/html instead of application/json"),
        (b"[]", {}, "something unnamed instead of application/json"),
        (b"[", {"Content-Type": "application/json"}, "cannot be read"),
        (b"[" * 100_000, {"Content-Type": "application/json"}, "cannot be read"),
        (b"\xff", {"Content-Type": "application/json"}, "cannot be read"),
        (b"[1]", {"Content-Type": "application/json", "Content-Length": "1000"}, "broke off"),
        (b"[1]", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, "broke off"),
        (endless(b" " * 65536), {"Content-Type": "application/json"}, "more than 4 MB"),
        (endless(b" ", 0.1), {"Content-Type": "application/json"}, "more than 2 seconds"),
        (endless(b" ", 3.0), {"Content-Type": "application/json"}, "broke off"),
    ],
    ids=["html", "no type", "cut", "deep", "no text", "truncated", "no gzip", "endless", "dripping", "stalled"],
)
def test_a_bad_answer_is_an_error(web: Web, server: Server, body: Any, headers: dict[str, str], says: str) -> None:
    server.says("/", body, **headers)
    started = time.monotonic()
    assert says in complaint(web, server.url("/"))
    assert time.monotonic() - started < 5


def test_an_error_is_not_kept(web: Web, server: Server) -> None:
    server.says("/", "[", Content_Type="application/json")
    server.says("/", [1])
    complaint(web, server.url("/"))
    assert asked(web, server.url("/")) == [1]


def test_a_redirect_is_followed(web: Web, server: Server) -> None:
    server.says("/old", "", 301, Location="/new")
    server.says("/new", [1])
    assert asked(web, server.url("/old")) == [1]


def test_redirects_in_a_circle(web: Web, server: Server) -> None:
    server.says("/", "", 302, Location="/")
    assert "in a circle" in complaint(web, server.url("/"))


@pytest.mark.parametrize(
    "target",
    ["http://localhost:{other}/", "http://127.0.0.1:{other}/", "http://[::1]:{other}/", "http://0.0.0.0:{other}/"],
)
def test_no_redirect_leads_into_a_private_network(web: Web, server: Server, target: str) -> None:
    family = socket.AF_INET6 if "::1" in target else socket.AF_INET
    try:
        inside = socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    with inside:
        server.says("/", "", 302, Location=target.format(other=inside.getsockname()[1]))
        assert "private address" in complaint(web, server.url("/"))


def test_a_redirect_to_another_scheme(web: Web, server: Server) -> None:
    server.says("/", "", 302, Location="file:///etc/passwd")
    complaint(web, server.url("/"))


def test_private_addresses_are_not_asked_unless_a_test_says_so(server: Server, tmp_path: Path) -> None:
    assert "private address (127.0.0.1)" in complaint(Web(cache=tmp_path), server.url("/"))
    assert server.asked == []


def test_nobody_is_there(web: Web, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unreachable, match="cannot be reached"):
        asked(web, f"http://127.0.0.1:{port}/")
    with pytest.raises(Unreachable, match="cannot be reached"):
        asked(web, "https://no-such-host.invalid/")
    assert time.monotonic() - started < 5


def test_a_server_that_says_nothing(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        web = Web(cache=None, pause=0, timeout=(1, 0.3), trusted=[silent.getsockname()])
        message = complaint(web, f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert "without an answer" in message or "does not answer" in message


@pytest.mark.parametrize("address", ["", "no address", "http://", "ftp://example.org/", "http://[::1", "http://a\nb/"])
def test_what_is_no_address(web: Web, address: str) -> None:
    with pytest.raises(FetchError):
        web.status(address)


def test_the_status_is_asked_for_by_the_head_first(web: Web, server: Server) -> None:
    server.says("/there", "x")
    assert web.status(server.url("/there")) == 200
    assert server.asked == [("HEAD", "/there")]


def test_where_the_head_is_refused_all_is_asked_for(web: Web, server: Server) -> None:
    server.says("/picky", "", 405)
    server.says("/picky", "x")
    assert web.status(server.url("/picky")) == 200
    assert [method for method, _ in server.asked] == ["HEAD", "GET"]
    assert web.status(server.url("/gone")) == 404
