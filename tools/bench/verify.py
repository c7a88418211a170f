"""How long `repro verify xception --tier structure` takes, against what cannot be avoided and against other tools.

What cannot be avoided is torch and its first ReLU on the meta device, which imports a second's worth of modules. The
other tools, fvcore and torchinfo, count the parameters and multiply-accumulates of timm's Xception, each by its own
convention. All are whole processes, run in turn so that a busy moment of the machine hits all, and compared by their
medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = [str(Path(sys.executable).with_name("repro")), "verify", "xception", "--tier", "structure"]

FLOOR = "import torch; torch.relu(torch.empty(1, device='meta'))"
FLOOR_LIMIT = 1.3

TIMM = """
import torch
{declarations}
import timm
model, image = timm.create_model("legacy_xception").eval(), torch.empty(1, 3, 299, 299)
"""
# Without these, a torchvision that was compiled for another device cannot be imported, nor timm, which imports it.
DECLARATIONS = """
operators = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    operators.define(name + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
OTHERS = {
    "fvcore": """
from fvcore.nn import FlopCountAnalysis, parameter_count
macs = FlopCountAnalysis(model, image).unsupported_ops_warnings(False).by_operator()
print(parameter_count(model)[""], macs["conv"] + macs["linear"])
""",
    "torchinfo": """
from torchinfo import summary
found = summary(model, input_data=image, verbose=0)
print(found.total_params, found.total_mult_adds)
""",
}
OTHERS_LIMIT = 0.5


def seconds(command: Sequence[str]) -> float:
    """Wall-clock time of one run of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def others() -> dict[str, list[str]]:
    """The commands of the other tools; it says which are left out because something is not installed."""
    imports = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False)
    model = TIMM.format(declarations=DECLARATIONS if imports.returncode else "")
    commands = {}
    for tool, program in OTHERS.items():
        missing = [name for name in ("timm", tool) if importlib.util.find_spec(name) is None]
        if missing:
            print(
                f"left out: timm with {tool}, because {' and '.join(missing)} is not installed: pip install '.[bench]'"
            )
        else:
            commands[f"timm with {tool}"] = [sys.executable, "-c", model + program]
    return commands


def main() -> int:
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__ or ""))
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (default 5)")
    runs = parser.parse_args().runs

    ours, floor = " ".join(["repro", *OURS[1:]]), f'python -c "{FLOOR}"'
    commands = {ours: OURS, floor: [sys.executable, "-c", FLOOR], **others()}
    for name, command in commands.items():
        if name not in (ours, floor):
            counted = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            print(f"{name} counts {' parameters and '.join(counted)} multiply-accumulates")
    # The first run of each writes byte code and caches and is not counted.
    times = [[seconds(command) for command in commands.values()] for _ in range(runs + 1)][1:]
    medians = dict(zip(commands, map(statistics.median, zip(*times, strict=True)), strict=True))

    print(f"medians of {runs} runs each, in turn:")
    kept = True
    for name, median in medians.items():
        line = f"{median:6.2f} s  {name}"
        if name != ours:
            ratio, limit = medians[ours] / median, FLOOR_LIMIT if name == floor else OTHERS_LIMIT
            kept &= ratio <= limit
            line += f"; ours takes {ratio:.2f} of it, allowed {limit}"
        print(line)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
