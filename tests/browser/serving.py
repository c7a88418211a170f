"""The site as a server of static files gives it: compressed, with its types, and strict about what is missing."""

from __future__ import annotations

import gzip
import mimetypes
import threading
from contextlib import contextmanager
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".map": "application/json"}
_COMPRESSED = ("text/", "application/json", "application/xml", "application/atom+xml", "image/svg+xml")


@contextmanager
def serving(site: Path) -> Iterator[str]:
    """Serve a folder on this machine and give the address of its root.

    A folder's address ends with a slash, a missing file is answered by ``404.html`` with status 404, and nothing is
    guessed or redirected.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer, as far as it fits

        def do_GET(self) -> None:
            name = unquote(urlsplit(self.path).path)
            file = site / (name + "index.html" if name.endswith("/") else name).lstrip("/")
            status = 200 if file.is_file() else 404
            kind, body = _content(file if status == 200 else site / "404.html")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if kind.startswith(_COMPRESSED):
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "max-age=600")
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # a browser hangs up when its page is left

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@lru_cache(maxsize=4096)
def _content(file: Path) -> tuple[str, bytes]:
    """The type of a file and what is sent of it."""
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    body = file.read_bytes() if file.is_file() else b"nothing here"
    return kind, gzip.compress(body, 6, mtime=0) if kind.startswith(_COMPRESSED) else body
