"""The site on this machine, built again whenever something changes."""

from __future__ import annotations

import socket
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.errors import CatalogError
from catalog.website import folder as folders
from catalog.website import policy
from catalog.website.building import build, complete, update
from catalog.website.libraries import missing
from catalog.website.rendering import need_mkdocs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from wsgiref.types import StartResponse, WSGIEnvironment

__all__ = ["serve"]


def serve(folder: Path | None = None, into: Path | None = None, *, port: int = 8000) -> None:
    """Show the site on this machine, and build it again whenever a record, a module, a result or a template changes.

    Pages that change are shown first. What is made from all pages, such as the search, follows in a process of its own.
    Ends with an interrupt (Ctrl-C).

    Args:
        folder: the records; the project's own if omitted.
        into: as for :func:`build`.
        port: of 127.0.0.1.

    Raises:
        CatalogError: the site cannot be built to begin with, or the port is taken. A mistake that comes later is
            printed, and the last site that could be built stays.
    """
    _need_port(port)
    need_mkdocs()
    from mkdocs.livereload import LiveReloadServer
    from watchdog.observers.polling import PollingObserver

    from catalog.library import Library

    class EarlyObserver(PollingObserver):
        """Has its eyes open before the server starts it, so that nothing is missed that changes in the meantime."""

        def start(self) -> None:
            if not self.is_alive():
                super().start()

    into = paths.output_folder() if into is None else into
    rebuild = _Rebuild(folder, into)
    server: Any = LiveReloadServer(rebuild, "127.0.0.1", port, str(into / "site"))
    server.set_app(partial(_answer, server.serve_request))
    server.observer = EarlyObserver(timeout=0.2)
    ours = (paths.SITE, paths.MKDOCS, paths.REPRODUCTIONS)
    for path in (folder or paths.records_folder(), *ours, paths.own_reproductions(), *paths.results_folders()):
        if path is not None and path.exists():
            server.watch(str(path))
    server.observer.start()
    build(Library.load(folder), into)
    if why := missing():
        print(why, file=sys.stderr)
    print(f"http://127.0.0.1:{port}/ shows the site until Ctrl-C", file=sys.stderr)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        rebuild.stop()


def _answer(
    serve: Callable[..., Iterable[bytes]], environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """An answer of the server, in which browsers run the script that it adds to each page to load it again."""
    head: list[tuple[str, list[tuple[str, str]]]] = []
    body = serve(environ, lambda status, headers: head.append((status, headers)))
    ((status, headers),) = head
    if ("Content-Type", "text/html") in headers:
        page = b"".join(body)
        page = policy.allow(page, page.rpartition(b"<script>")[2].partition(b"</script>")[0])
        headers = [("Content-Type", "text/html"), ("Content-Length", str(len(page)))]
        body = [page]
    start_response(status, headers)
    return body


class _Rebuild:
    """What is done whenever something has changed."""

    def __init__(self, records: Path | None, into: Path) -> None:
        self._records, self._into = records, into
        self._settings = _settings()
        self._mistake = ""
        self._rest: subprocess.Popen[bytes] | None = None

    def __call__(self) -> None:
        """Build what shows the change, and begin to build the rest; say what is wrong, once."""
        from catalog.library import Library

        try:
            library, settings = Library.load(self._records), _settings()
            self.stop()
            if settings == self._settings:
                update(library, self._into)
                self._rest = subprocess.Popen([sys.executable, "-c", _REST, self._into], process_group=0)  # noqa: S603
            else:
                build(library, self._into, render=False)
                complete(self._into)
                self._settings = settings
            mistake = ""
        except CatalogError as error:
            mistake = str(error)
        if mistake and mistake != self._mistake:
            print(mistake, file=sys.stderr)
        self._mistake = mistake

    def stop(self) -> None:
        """Give up building the rest."""
        if self._rest is not None:
            self._rest.kill()
            self._rest.wait()
            folders.remove(self._into / "next")


_REST = """
import sys
from pathlib import Path
from catalog.errors import CatalogError
from catalog.website.building import complete
try:
    complete(Path(sys.argv[1]))
except CatalogError as error:
    sys.exit(str(error))
"""
"""Builds the rest: in a process, because that can be given up at any moment, and not in the group of processes that
Ctrl-C reaches, so that it ends without a word when :meth:`_Rebuild.stop` says so."""


def _settings() -> dict[Path, int]:
    """When what decides how every page looks, and is no page, was changed: to see it everything is rendered again."""
    files = (paths.MKDOCS, *(paths.SITE / "theme").rglob("*"))
    return {path: path.stat().st_mtime_ns for path in files}


def _need_port(port: int) -> None:
    """Find out before the site is built whether it can be shown."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CatalogError(f"port {port} of 127.0.0.1 cannot be used: {why}; choose another") from None
