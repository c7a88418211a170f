"""Lighthouse on the pages that matter most, on a phone as it simulates one: at least 95 in every category.

    python -m tests.browser.lighthouse [--site build/site] [--runs 5]

Prints the medians and ends with 1 where one of them is too low. Needs Chromium and Node.js.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from catalog import paths
from tests.browser import browsing, packages
from tests.browser.serving import serving

PAGES = ("", "papers/xception/", "lineage/", "efficiency/")
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AT_LEAST = 95


def report(program: Path, url: str, chromium: str) -> dict[str, float]:
    """The scores of one run, of 100 each, and why those are low that are."""
    with tempfile.TemporaryDirectory(prefix="repro-lighthouse-") as profile:
        done = subprocess.run(
            [
                *(shutil.which("node") or "node", program, url, "--quiet", "--output=json"),
                f"--only-categories={','.join(CATEGORIES)}",
                f"--chrome-flags=--headless {' '.join(browsing.FLAGS)} --user-data-dir={profile}",
            ],
            env={**os.environ, "CHROME_PATH": chromium, "NO_UPDATE_NOTIFIER": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
    if done.returncode:
        raise SystemExit(f"Lighthouse failed on {url}:\n{done.stderr}")
    found = json.loads(done.stdout)
    for name in CATEGORIES:
        for part in found["categories"][name]["auditRefs"]:
            audit = found["audits"][part["id"]]
            if part["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                print(f"    {name}: {audit['title']} {audit.get('displayValue', '')}", file=sys.stderr)
    return {name: 100 * found["categories"][name]["score"] for name in CATEGORIES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=paths.output_folder() / "site", help="a folder that was built")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many runs counts")
    arguments = parser.parse_args()
    chromium = browsing.executable()
    if chromium is None:
        raise SystemExit("Lighthouse needs Chromium: apt-get install chromium")
    try:
        program = packages.modules(audit=True) / "lighthouse" / "cli" / "index.js"
    except packages.Missing as missing:
        raise SystemExit(f"Lighthouse is not there: {missing}") from None
    low = False
    print(f"{'page':<20}" + "".join(f"{name:>16}" for name in CATEGORIES))
    with serving(arguments.site) as address:
        for page in PAGES:
            runs = [report(program, address + page, chromium) for _ in range(arguments.runs)]
            scores = [median(run[name] for run in runs) for name in CATEGORIES]
            low |= min(scores) < AT_LEAST
            print(f"{page or 'home':<20}" + "".join(f"{score:>16.0f}" for score in scores), flush=True)
    return int(low)


if __name__ == "__main__":
    sys.exit(main())
