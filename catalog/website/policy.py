"""The Content-Security-Policy of the pages, held against the scripts that are in them.

A page runs scripts of the site, and of those that stand in the page itself only the theme's, which the policy knows by
their hashes. A browser would leave out any other without a word, so that the builder looks first.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import TYPE_CHECKING

from catalog.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["allow", "check"]

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL)
# Data for a script, which nobody runs.
_DATA = re.compile(r'\stype="application/(?:ld\+)?json"')


def check(site: Path) -> None:
    """Find the scripts in pages that their policy would not let run.

    Raises:
        CatalogError: there is one, or a page without a policy.
    """
    for page in sorted(site.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(site).as_posix()
        policy = _POLICY.search(text)
        if policy is None:
            raise CatalogError(f"{name} has no Content-Security-Policy; site/theme/main.html writes it")
        for attributes, script in _SCRIPT.findall(text):
            if " src=" in attributes or _DATA.search(attributes):
                continue
            digest = _digest(script.encode())
            if f"'{digest}'" not in html.unescape(policy[1]):
                raise CatalogError(
                    f"{name} holds a script that its Content-Security-Policy does not know: {script.strip()[:60]}…\n"
                    f"If it is the theme's, as after an upgrade, add to extra.script_hashes in mkdocs.yml: {digest}"
                )


def allow(page: bytes, script: bytes) -> bytes:
    """A page whose policy lets it run one more script that stands in it."""
    return page.replace(b"script-src 'self'", f"script-src 'self' '{_digest(script)}'".encode(), 1)


def _digest(script: bytes) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}"
