"""A knowledge base of convolutional-network papers in which every paper is executable evidence.

>>> from catalog import Library
>>> library = Library.load()
>>> library["xception"].title
'Xception: Deep Learning with Depthwise Separable Convolutions'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalog.errors import CatalogError, LibraryError
    from catalog.library import Library

__all__ = ["CatalogError", "Library", "LibraryError"]


def __getattr__(name: str) -> Any:
    # Imported when first asked for: whoever wants only a part of the package does not pay for the whole.
    if name == "Library":
        from catalog.library import Library

        return Library
    if name in __all__:
        from catalog import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'catalog' has no attribute '{name}'")
