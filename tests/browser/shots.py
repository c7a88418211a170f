"""Pictures of pages to look at: at a desk and on a phone, light and dark.

python -m tests.browser.shots FOLDER [PAGE ...] [--site build/site]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catalog import paths
from tests.browser import browsing
from tests.browser.serving import serving

PAGES = ["", "papers/xception/", "lineage/", "lineage/?paper=xception", "efficiency/", "status/"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("into", type=Path, metavar="FOLDER")
    parser.add_argument("pages", nargs="*", default=PAGES, metavar="PAGE", help="such as papers/xception/")
    parser.add_argument("--site", type=Path, default=paths.output_folder() / "site", help="a folder that was built")
    arguments = parser.parse_args()
    chromium = browsing.executable()
    if chromium is None:
        raise SystemExit("pictures need Chromium: apt-get install chromium")
    arguments.into.mkdir(parents=True, exist_ok=True)
    with browsing.launched(chromium) as browser, serving(arguments.site) as address:
        for width, scheme in ((browsing.DESKTOP, "light"), (browsing.DESKTOP, "dark"), (browsing.PHONE, "light")):
            window = browsing.Visit(browser, address, width, color_scheme=scheme)
            for page in arguments.pages:
                name = "".join(letter if letter.isalnum() else "-" for letter in page).strip("-") or "home"
                shot = window.open(page)
                shot.wait_for_load_state("networkidle")
                shot.screenshot(path=arguments.into / f"{name}-{width}-{scheme}.png", full_page=True)
            window.context.close()
            for problem in window.problems:
                print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
