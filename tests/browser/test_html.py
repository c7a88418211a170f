"""Every page is valid HTML, by html-validate's rules for what the standard says."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

RULES = {
    "root": True,
    "extends": ["html-validate:standard"],
    "rules": {
        # Material keeps the state of its menus in check boxes and forbids browsers to remember it.
        "valid-autocomplete": "off",
    },
}


def complaints(folder: Path, node_modules: Path, config: Path) -> Counter[str]:
    """What html-validate says of the pages of a folder, and how often."""
    config.write_text(json.dumps(RULES), encoding="utf-8")
    node = shutil.which("node")
    assert node
    program = node_modules / "html-validate" / "bin" / "html-validate.mjs"
    reports = config.with_name("reports.json")
    with reports.open("wb") as output:  # of a pipe it fills no more than the first 64 kB
        done = subprocess.run(
            [node, program, "--config", config, "--formatter", "json", folder], stdout=output, stderr=subprocess.PIPE
        )
    assert done.returncode in (0, 1), done.stderr
    return Counter(
        f"{message['ruleId']} {message['selector']}: {message['message']}, first in "
        f"{Path(report['filePath']).relative_to(folder)}"
        for report in json.loads(reports.read_text(encoding="utf-8"))
        for message in report["messages"]
        # Material writes tabindex="" where it means none.
        if not (
            message["ruleId"] == "attribute-allowed-values" and '"tabindex" has invalid value ""' in message["message"]
        )
    )


def test_every_page_is_valid(whole: Path, node_modules: Path, tmp_path: Path) -> None:
    assert complaints(whole, node_modules, tmp_path / "rules.json") == Counter()


def test_what_is_not_valid_is_noticed(node_modules: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name, body in (("one", "<p id=a>one<p id=a>two"), ("two", "<p>one</div>"), ("three", "<ul><p>one</p></ul>")):
        page = f"<!DOCTYPE html><html lang=en><head><title>x</title></head><body>{body}</body></html>"
        (site / f"{name}.html").write_text(page, encoding="utf-8")
    said = " ".join(complaints(site, node_modules, tmp_path / "rules.json"))
    for rule in ("no-dup-id", "close-order", "element-permitted-content"):
        assert rule in said, said
