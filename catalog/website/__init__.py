"""The site: plain Markdown and assets written from the catalogue, rendered by MkDocs.

Templates (``site/templates``) and hand-written pages (``site/pages``) become ordinary Markdown, one folder a page, so
that whatever renders Markdown by the same ``mkdocs.yml`` can take over from MkDocs. The same catalogue gives the same
bytes.
"""

from catalog.website.building import build
from catalog.website.serving import serve

__all__ = ["build", "serve"]
