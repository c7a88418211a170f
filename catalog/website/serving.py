"""The site on this machine, built again whenever something changes."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

from catalog import paths
from catalog.errors import CatalogError
from catalog.website.building import build

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["serve"]


def serve(folder: Path | None = None, into: Path | None = None, *, port: int = 8000) -> None:
    """Show the site on this machine, and build it again whenever a record, a module, a result or a template changes.

    Ends with an interrupt (Ctrl-C).

    Args:
        folder: the records; the project's own if omitted.
        into: as for :func:`build`.
        port: of 127.0.0.1.

    Raises:
        CatalogError: the site cannot be built to begin with, or the port is taken. A mistake that comes later is
            printed, and the last site that could be built stays.
    """
    from catalog.library import Library

    _need_port(port)
    site = build(Library.load(folder), into)
    from mkdocs.livereload import LiveReloadServer

    def again() -> None:
        try:
            build(Library.load(folder), into)
        except CatalogError as error:
            print(error, file=sys.stderr)

    server: Any = LiveReloadServer(again, "127.0.0.1", port, str(site))
    ours = (paths.SITE, paths.MKDOCS, paths.REPRODUCTIONS)
    for path in (folder or paths.records_folder(), *ours, paths.own_reproductions(), *paths.results_folders()):
        if path is not None and path.exists():
            server.watch(str(path))
    print(f"http://127.0.0.1:{port}/ shows the site until Ctrl-C", file=sys.stderr)
    try:
        server.serve()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()


def _need_port(port: int) -> None:
    """Find out before the site is built whether it can be shown."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise CatalogError(f"port {port} of 127.0.0.1 cannot be used: {why}; choose another") from None
