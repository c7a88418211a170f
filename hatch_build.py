"""What the wheel holds besides the files of the checkout: the compiled index of the records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class IndexHook(BuildHookInterface):
    """Compiles the records, so that an installed copy never does."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the index beside the records in the wheel. An editable installation reads those of the checkout.

        Raises:
            LibraryError: the records are not valid.
        """
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from catalog import cache, index

        built = Path(self.directory) / cache.shipped().name
        built.parent.mkdir(parents=True, exist_ok=True)
        index.compile_shipped(built)
        build_data["force_include"][str(built)] = f"catalog/_data/{built.name}"
