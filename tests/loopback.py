"""A server on this machine that answers as it is told to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server:
    """Answers by path; several answers to one path are given one after the other, the last one again and again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, str]] = []
        """Method and path with query of every question so far."""
        self.agents: set[str] = set()
        self._answers: dict[str, list[tuple[int, dict[str, str], Any]]] = {}

    @property
    def trusted(self) -> list[tuple[str, int]]:
        return [("127.0.0.1", self.port)]

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def says(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """Add an answer: bytes, a text, what JSON can say, or an iterator of bytes without an end."""
        if isinstance(body, dict | list):
            body, headers = json.dumps(body), {"Content-Type": "application/json"} | headers
        if isinstance(body, str):
            body = body.encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.setdefault(path, []).append((status, headers, body))

    def answer(self, path: str) -> tuple[int, dict[str, str], Any]:
        bare = path.partition("?")[0]
        answers = self._answers.get(path) or self._answers.get(bare) or [(404, {}, b"no such thing")]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def serving() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append((self.command, self.path))
            server.agents.add(self.headers["User-Agent"])
            status, headers, body = server.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if isinstance(body, bytes):
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)
                if int(headers.get("Content-Length", len(body))) != len(body):
                    self.close_connection = True
            else:
                self.send_header("Connection", "close")
                self.end_headers()
                with suppress(OSError):
                    for piece in body:
                        self.wfile.write(piece)
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Who asks may hang up in the middle of an answer, and some tests are about that."""

    http = Quiet(("127.0.0.1", 0), Handler)
    server = Server(http.server_address[1])
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
