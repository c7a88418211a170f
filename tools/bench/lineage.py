"""How long `repro lineage inception` takes, against importing the libraries that it could have imported.

Both are whole processes, run in turn so that a busy moment of the machine hits both, and compared by their medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 0.8
QUESTION = [str(Path(sys.executable).with_name("repro")), "lineage", "inception"]
YARDSTICK = [sys.executable, "-c", "import networkx, yaml, pydantic, typer, rich"]

# Byte code is kept, as it is everywhere but where somebody has forbidden it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(command: Sequence[str]) -> float:
    """Wall-clock time of one run of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21, help="runs of each command (default 21)")
    runs = parser.parse_args().runs
    # The first runs write byte code and the index, which is not taken for known until two seconds later.
    for _ in range(2):
        seconds(QUESTION), seconds(YARDSTICK)
        time.sleep(2.5)
    pairs = [(seconds(QUESTION), seconds(YARDSTICK)) for _ in range(runs)]
    question, yardstick = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = question / yardstick
    print(f"repro lineage inception                               {question:.3f} s")
    print(f'python -c "import networkx, yaml, pydantic, typer, rich"  {yardstick:.3f} s')
    print(f"ratio {ratio:.2f}, allowed {LIMIT}; medians of {runs} runs each, in turn")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
