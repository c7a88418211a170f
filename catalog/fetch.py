"""Ask public servers, politely and with care.

Politely: they are told who asks, never asked faster than once in a while, left alone as long as they ask for it, and
not asked again for what is known since yesterday. With care: whatever a server does (nothing, no end, something else
than was asked for, a redirect into the network of whoever runs this), it ends soon and with one message.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError
from urllib3.util import Retry

from catalog import paths
from catalog.cache import fingerprint
from catalog.errors import CatalogError
from catalog.source import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from urllib3 import BaseHTTPResponse

    T = TypeVar("T")

__all__ = ["FetchError", "NotThere", "Unreachable", "Web"]

LARGEST = 4 * 1024 * 1024
"""Bytes of an answer; the largest that is asked for has some hundred kilobytes."""

FRESH = 24 * 3600
"""Seconds for which a kept answer counts."""


class FetchError(CatalogError):
    """A server did not give what it was asked for."""


class Unreachable(FetchError):
    """No server was reached; most often there is no network."""


class NotThere(FetchError):
    """The server knows no such thing."""


class Web:
    """Public servers, asked by one program in one thread."""

    def __init__(
        self,
        *,
        cache: Path | None = None,
        pause: float = 3.0,
        patience: float = 30.0,
        timeout: tuple[float, float] = (5.0, 20.0),
        longest: float = 60.0,
        trusted: Collection[tuple[str, int]] = (),
    ) -> None:
        """Asks nobody yet.

        Args:
            cache: where answers are kept; a folder in the user's cache if omitted.
            pause: seconds between two questions to one server; arXiv asks for three.
            patience: seconds that a server may ask to be left alone before it is asked again.
            timeout: seconds until a server has to be connected, and between two pieces of what it sends.
            longest: seconds that an answer may take as a whole.
            trusted: addresses and ports that may be asked although they are private; for tests.
        """
        folder = paths.cache_folder()
        self._cache = cache or (folder / "web" if folder else None)
        self._pause, self._timeout, self._longest = pause, timeout, longest
        self._next: dict[str, float] = {}
        self._session = requests.Session()
        self._session.max_redirects = 5
        self._session.headers.update({"User-Agent": _agent(), "Accept-Encoding": "identity"})
        retries = _Retries.within(patience, pause)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Guarded(frozenset(trusted), max_retries=retries))

    def get(
        self, address: str, params: Mapping[str, str] | None = None, *, kinds: Collection[str], read: Callable[[str], T]
    ) -> T:
        """What a server answers, or has answered since yesterday.

        Args:
            address: of http or https.
            params: the query.
            kinds: content types of which one is expected, such as ``application/json``.
            read: makes something of the text and raises ValueError where it cannot; only what can be read is kept.

        Raises:
            Unreachable: no connection.
            NotThere: there is no such thing.
            FetchError: the answer is none, or not what was asked for.
        """
        url = str(requests.Request("GET", address, params=dict(params or {})).prepare().url)
        kept = self._kept(url)
        if kept is not None:
            with contextlib.suppress(OSError, ValueError, RecursionError):
                if time.time() - kept.stat().st_mtime < FRESH:
                    return read(kept.read_text("utf-8"))
        host = _host(url)
        with self._asked("GET", url) as response:
            if response.status_code in (requests.codes.not_found, requests.codes.gone):
                raise NotThere(f"{host} knows no such thing ({printable(url, 200)})")
            if not response.ok:
                raise FetchError(f"{host} says {response.status_code} {printable(response.reason or '')}".rstrip())
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in kinds:
                raise FetchError(
                    f"{host} answers with {printable(kind) or 'something unnamed'} instead of {' or '.join(kinds)}; "
                    "does the network want you to log in first?"
                )
            body = self._body(response, host)
        try:
            text = body.decode("utf-8")
            value = read(text)
        except (ValueError, RecursionError) as error:
            raise FetchError(f"{host} answers with something that cannot be read: {printable(str(error))}") from None
        if kept is not None:
            from catalog.layout import write_atomically

            with contextlib.suppress(OSError):
                kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(kept, text)
        return value

    def status(self, address: str) -> int:
        """The status of an address, redirects followed: asked for its head alone, and for all where that is refused.

        Raises:
            FetchError: there is none.
        """
        for method in ("HEAD", "GET"):
            with self._asked(method, address) as response:
                if response.ok or method == "GET":
                    return response.status_code
        raise AssertionError

    def _asked(self, method: str, url: str) -> requests.Response:
        host = _host(url)
        time.sleep(max(0.0, self._next.get(host, 0.0) - time.monotonic()))
        try:
            return self._session.request(method, url, stream=True, allow_redirects=True, timeout=self._timeout)
        except requests.TooManyRedirects:
            raise FetchError(f"{host} redirects in a circle") from None
        except requests.exceptions.SSLError:
            raise FetchError(f"{host} has no valid certificate") from None
        except requests.ReadTimeout:
            raise FetchError(f"{host} does not answer within {self._timeout[1]:g} seconds") from None
        except requests.ConnectionError as error:
            reason = getattr(error.args[0] if error.args else None, "reason", None)
            if isinstance(reason, (NewConnectionError, ConnectTimeoutError, ProxyError)):
                raise Unreachable(f"{host} cannot be reached") from None
            raise FetchError(f"{host} closes the connection without an answer") from None
        except (requests.RequestException, ValueError) as error:  # an address that is none, at the end of a redirect
            raise FetchError(f"{host}: {printable(str(error), 200)}") from None
        finally:
            self._next[host] = time.monotonic() + self._pause

    def _body(self, response: requests.Response, host: str) -> bytes:
        body, end = bytearray(), time.monotonic() + self._longest
        try:
            # As it comes: to wait for a whole block is to wait for ever where a server lets it drip.
            while piece := response.raw.read1(1 << 16, decode_content=True):
                body += piece
                if len(body) > LARGEST:
                    raise FetchError(f"{host} answers with more than {LARGEST // 1024**2} MB; that is no answer")
                if time.monotonic() > end:
                    raise FetchError(f"{host} takes more than {self._longest:g} seconds to answer")
        except HTTPError:
            raise FetchError(f"{host} broke off in the middle of its answer; try again") from None
        return bytes(body)

    def _kept(self, url: str) -> Path | None:
        return self._cache / fingerprint([url.encode()]) if self._cache else None


def _agent() -> str:
    """Who asks. Servers serve those better whom they can reach: ``REPRO_CONTACT`` may have an e-mail address."""
    from importlib.metadata import version

    contact = os.environ.get("REPRO_CONTACT", "").encode("ascii", "ignore").decode().strip()
    return f"repro/{version('repro')} (a catalogue of papers{f'; mailto:{contact}' if contact else ''})"


def _host(url: str) -> str:
    try:
        return printable(urlsplit(url).netloc) or printable(url)
    except ValueError:
        return printable(url)


class _Retries(Retry):
    """Three more tries where a server has trouble, none where there is no connection."""

    patience = 30.0

    @classmethod
    def within(cls, patience: float, pause: float) -> Retry:
        """Waits from try to try longer, and as long as the server says, unless that is longer than ``patience``."""
        kind = type("Retries", (cls,), {"patience": patience})
        retries: Retry = kind(
            total=3,
            connect=0,
            read=1,
            status_forcelist=(429, 500, 502, 503, 504),
            backoff_factor=min(pause, 1.0),
            raise_on_status=False,
        )
        return retries

    def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
        """Wait as long as a server asks for, if that is not too long."""
        seconds = self.get_retry_after(response)
        if seconds is not None and seconds > self.patience:
            raise FetchError(f"the server asks to be left alone for {seconds:,.0f} seconds; try again later")
        return super().sleep_for_retry(response)


class _Guarded(HTTPAdapter):
    """Connects to public addresses only, whatever name or redirect leads elsewhere."""

    def __init__(self, trusted: frozenset[tuple[str, int]], **options: Any) -> None:
        self._trusted = trusted
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Use connections that look at whom they have reached; through a proxy, that is for the proxy to do."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded(HTTPConnectionPool, self._trusted),
            "https": _guarded(HTTPSConnectionPool, self._trusted),
        }


def _guarded(pool: type[HTTPConnectionPool], trusted: frozenset[tuple[str, int]]) -> type[HTTPConnectionPool]:
    """A kind of pool whose connections refuse private addresses: after a name was resolved, so that no name lies."""
    base: Any = pool.ConnectionCls

    class Connection(base):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            reached = super()._new_conn()
            host, port = reached.getpeername()[:2]
            address = ipaddress.ip_address(host.partition("%")[0])
            address = getattr(address, "ipv4_mapped", None) or address
            if not address.is_global and (str(address), port) not in trusted:
                reached.close()
                raise FetchError(f"{printable(self.host)} leads to a private address ({address}), which is not asked")
            return reached

    return type(f"Guarded{pool.__name__}", (pool,), {"ConnectionCls": Connection})
