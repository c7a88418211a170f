"""A knowledge base of convolutional-network papers in which every paper is executable evidence.

>>> from catalog import Library
>>> library = Library.load()
>>> library["xception"].title
'Xception: Deep Learning with Depthwise Separable Convolutions'

In a notebook a library, a paper, a lineage and whatever holds several papers are shown as HTML, at a prompt in short:

>>> library.find("GoogLeNet")
<Paper inception-v1: Going Deeper with Convolutions (2014)>
>>> library.members("inception")[:3]
2014  inception-v1  GoogLeNet            Going Deeper with Convolutions
2015  inception-v2  Batch Normalization  Batch Normalization: Accelerating Deep Network Training by…
2015  inception-v3  Inception-v3         Rethinking the Inception Architecture for Computer Vision
(3)
>>> library.lineage("xception", ancestors=True, depth=1)
<Lineage: xception and its ancestors, 5 works in all>
>>> library.ask("papers by Kaiming He before 2016").understood
'papers by Kaiming He before 2016'
>>> library.search("extreme inception")
<Found: 2 for 'extreme inception': light-weight/mobilenet-v1, xception>

``Library.load("~/my-field")`` reads another folder of records; ``REPRO_PAPERS`` names the one that is meant by default.
What a person can mend is raised as a :class:`CatalogError`, whose message says how:

>>> library.find("Incepton")
Traceback (most recent call last):
    ...
catalog.names.UnknownName: no paper or family is called 'Incepton'; did you mean 'inception', ...?

Names that are not listed here may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from catalog.errors import CatalogError, LibraryError
    from catalog.graph import Lineage
    from catalog.library import Library
    from catalog.names import UnknownName
    from catalog.questions import Answer
    from catalog.records import ExternalWork, Family, Paper, Topic

__all__ = [
    "Answer",
    "CatalogError",
    "ExternalWork",
    "Family",
    "Library",
    "LibraryError",
    "Lineage",
    "Paper",
    "Topic",
    "UnknownName",
]

_HOMES = {
    "errors": ("CatalogError", "LibraryError"),
    "graph": ("Lineage",),
    "library": ("Library",),
    "names": ("UnknownName",),
    "questions": ("Answer",),
    "records": ("ExternalWork", "Family", "Paper", "Topic"),
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for: whoever wants only a part of the package does not pay for the whole.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"catalog.{home}"), name)
    raise AttributeError(f"module 'catalog' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
