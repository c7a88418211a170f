"""Records that mean harm: they build and show as text, and nothing in them runs, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from catalog import Library, paths
from catalog.errors import CatalogError
from catalog.website import build, policy
from tests.browser.browsing import DESKTOP, PHONE, Visit
from tests.browser.serving import serving
from tests.browser.test_every_page import addresses, too_wide
from tests.conftest import Records

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

# Each would set a mark, or end what it stands in.
HOSTILE = " ".join(
    [
        "<script>window.hacked=1</script>",
        "</title></textarea></style></script>--><img src=x onerror=window.hacked=2>",
        "\"><svg onload=window.hacked=3>' onmouseover='window.hacked=4",
        "[a](javascript:window.hacked=5) <javascript:window.hacked=6> ![b](x)",
        "{{ 7 * 7 }} {% raw %} ${window.hacked=7} { onclick=window.hacked=8 } { #id .class }",
        "]]> <![CDATA[ <!-- &lt;b&gt; &quot; \\u003cscript> | a `b` *c* _d_ $e$ ~~f~~ ^g^ [^1] [ref][] --8<-- 'h'",
        "مرحبا שלום \u200f",
    ]
)
# An author is short, and no list of several.
AUTHORS = ["<b onclick=window.hacked=9>A</b> {{ B }}", "<script>window.hacked=10</script> מחבר", "</script><img src=x>"]
ADDRESS = "https://example.org/(\"><script>window.hacked=11</script>_*`|&copy;'onload='x"

_FIGURE = {HOSTILE: "1.5"}


def _claims() -> list[dict[str, Any]]:
    said = {"statement": HOSTILE, "source": HOSTILE, "edition": HOSTILE}
    subject = {"variant": "xception", "weights": HOSTILE, "data": HOSTILE, "protocol": HOSTILE}
    return [
        {"id": "named", "basis": "printed", "tier": "property", "check": "f", "printed": _FIGURE, **said}
        | {"expect": {HOSTILE: {"equals": 1.4}}, "deviation": {"cause": "misprint", "explanation": HOSTILE}},
        {"id": "headline", "basis": "printed", "tier": "headline", "printed": "79.0 %", "subject": subject, **said},
        {"id": "secret", "basis": "printed", "tier": "headline", "not_checkable": HOSTILE, "printed": "1", **said},
        {"id": "training", "basis": "analogue", "tier": "training", **said}
        | {"training": {"scale": "full", "data": HOSTILE, "protocol": HOSTILE}},
    ]


def _results() -> dict[str, Any]:
    marks = {"code": HOSTILE, "claim": HOSTILE}
    entry = {"status": "deviates", "reason": HOSTILE, "measured": {HOSTILE: 1.4}, "date": "2026-11-20", "seconds": 1.5}
    entry |= {"device": HOSTILE, "versions": {"torch": HOSTILE, HOSTILE: HOSTILE}, "fingerprints": marks}
    errors = {"errors": 2, "possible": 9, "caught": 1, "equivalent": 0, "seed": 0, "date": "2026-11-20"}
    survivors = [{"error": HOSTILE, "change": HOSTILE.replace("`", "")}]
    return {
        "paper": "xception",
        "mutation": errors | {"survivors": survivors, "fingerprints": marks},
        "entries": [
            {"claim": "named", "environment": HOSTILE, **entry},
            {"claim": "headline", "environment": "cpu", **entry, "status": "failed"},
        ],
    }


def hostile_records(records: Records) -> Library:
    """A catalogue whose every text is hostile; names are told apart by what follows."""
    commented = [{"source": "later", "text": f"{HOSTILE}\n\n{HOSTILE}", "quotation": False}]
    links = {"arxiv": "1512.03385", "doi": '10.1000/"><script>window.hacked=12</script>', "url": ADDRESS}
    links |= {"pdf": ADDRESS, "code": ADDRESS}
    work = {"title": HOSTILE, "authors": AUTHORS, "venue": HOSTILE, "links": links, "published": "2015-12-10"}
    paper = work | {"family": "residual-family", "taxonomy": ["residual", "kernels/dilated"], "summary": HOSTILE}
    step = {"relation": "extends", "part": HOSTILE, "what": HOSTILE}
    for name, content in {
        "taxonomy.yaml": {
            "topics": [
                {"id": topic, "name": f"{HOSTILE} {topic}", "comments": commented}
                for topic in ("kernels", "kernels/dilated", "inception", "residual")
            ]
        },
        "families.yaml": {
            "families": [
                {"id": family, "name": f"{HOSTILE} {family}", "aliases": [f"{family} {HOSTILE}"], "summary": HOSTILE}
                for family in ("inception-family", "residual-family")
            ]
        },
        "external/network-in-network.yaml": work
        | {"id": "network-in-network", "name": f"{HOSTILE} n", "title": f"{HOSTILE} n", "aliases": [f"n {HOSTILE}"]}
        | {"published": "2013", "taxonomy": ["residual"], "links": {}},
        "resnet.yaml": paper
        | {"id": "resnet", "name": f"{HOSTILE} r", "aliases": [f"r {HOSTILE}"], "comments": commented}
        | {"builds_on": [{"paper": "network-in-network", **step}]},
        "xception.yaml": paper
        | {"id": "xception", "name": f"{HOSTILE} x", "title": "long" * 2500, "published": "2016-10-07", "links": {}}
        | {"builds_on": [{"paper": "resnet", **step}, {"paper": "later", "younger_because": HOSTILE, **step}]}
        | {"compares_with": [{"paper": "network-in-network", "what": HOSTILE}], "claims": _claims()}
        | {"survivors": [{"change": HOSTILE.replace("`", ""), "why": HOSTILE}]},
        "later.yaml": paper
        | {"id": "later", "name": f"{HOSTILE} l", "title": f"{HOSTILE} l", "published": "2017"}
        | {"links": {}},
    }.items():
        records.write(name, json.dumps(content))
    for gone in ("inception-v1", "inception-v3", "mobilenet-v1"):
        (records.folder / f"{gone}.yaml").unlink()
    return records.load()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The site of the hostile records."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "results").mkdir()
    (folder / "results" / "xception.yaml").write_text(json.dumps(_results()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "results_folder", lambda: folder / "results")
        yield build(hostile_records(Records(folder / "papers")), folder / "build")


@pytest.mark.parametrize("field", ["url", "pdf", "code"])
@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "https://exa mple.org/", "//x.org"]
)
def test_nobody_can_give_an_address_that_runs(records: Records, field: str, address: str) -> None:
    text = (records.folder / "mobilenet-v1.yaml").read_text()
    records.write("mobilenet-v1.yaml", f"{text}links: {{{field}: {json.dumps(address)}}}\n")
    (problem,) = records.problems()
    assert f"links.{field}" in problem


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\u2028", "\x07", "\ufeff"])
def test_no_record_holds_characters_that_turn_others_around(records: Records, character: str) -> None:
    records.change("resnet.yaml", "summary: Shortcuts.", f"summary: {json.dumps(f'Short{character}cuts.')}")
    (problem,) = records.problems()
    assert f"invisible character U+{ord(character):04X}" in problem


def test_data_say_exactly_what_the_records_say(hostile: Path) -> None:
    paper = json.loads((hostile / "api/papers/resnet.json").read_text(encoding="utf-8"))
    assert paper["title"] == HOSTILE
    assert paper["authors"] == AUTHORS
    assert paper["comments"][0]["text"] == f"{HOSTILE}\n\n{HOSTILE}"
    measured = json.loads((hostile / "api/papers/xception.json").read_text(encoding="utf-8"))
    assert measured["claims"][0]["results"][0]["measured"] == {HOSTILE: 1.4}
    feed = ElementTree.parse(hostile / "feed.xml")
    assert HOSTILE in "".join(feed.getroot().itertext())
    for path in hostile.rglob("*.svg"):
        ElementTree.parse(path)


# --- In a browser ----------------------------------------------------------------------------------------------------


@contextmanager
def visiting(browser: Browser, site: Path, width: int = DESKTOP, **options: Any) -> Iterator[Visit]:
    """A window on a site that is served."""
    with serving(site) as address:
        window = Visit(browser, address, width, **options)
        yield window
        window.context.close()


def search(page: Page, words: str) -> None:
    field = page.locator("[data-md-component=search-query]")
    field.click()
    field.press_sequentially(words)
    page.locator(".md-search-result__item").first.wait_for()


# Attributes that run something, links that do, and what no record brings into a page.
_ALIEN = """() => [...document.querySelectorAll("*")].flatMap(element => [...element.attributes]
    .filter(({name, value}) => name.startsWith("on") || /^\\s*(javascript|data|vbscript):/i.test(value))
    .map(({name, value}) => `${element.localName} ${name}=${value}`))
    .concat([...document.querySelectorAll("img:not(.md-logo img), iframe, object")].map(alien => alien.outerHTML))"""


def test_nothing_runs_and_everything_shows(hostile: Path, browser: Browser) -> None:
    shown = 0
    with visiting(browser, hostile, PHONE) as window:
        for name in addresses(hostile):
            page = window.open(name)
            assert page.evaluate("window.hacked") is None, name
            assert page.evaluate(_ALIEN) == [], name
            assert too_wide(window) == "", name
            shown += HOSTILE in " ".join(page.locator("body").text_content().split())
    assert shown > 10
    assert window.problems == []


def test_what_the_search_finds_is_text(hostile: Path, browser: Browser) -> None:
    with visiting(browser, hostile) as window:
        page = window.open()
        search(page, "onerror")
        for more in page.locator(".md-search-result__more summary").all():
            more.click()
        assert "<script>window.hacked=1</script>" in page.locator(".md-search-result").inner_text()
        assert page.evaluate("window.hacked") is None
        assert page.evaluate(_ALIEN) == []
    assert window.problems == []


def test_names_that_run_from_right_to_left_leave_the_others_in_place(records: Records, browser: Browser) -> None:
    records.change("resnet.yaml", "name: ResNet", "name: שלום")
    with visiting(browser, build(records.load(), records.folder.parent / "build")) as window:
        name = window.open("papers/xception/").locator("article li a", has_text="שלום").first
        # The year behind the name.
        text, left = name.evaluate("""link => {
            const year = document.createRange();
            year.setStart(link.nextSibling, 1);
            year.setEnd(link.nextSibling, 7);
            return [year.toString(), year.getBoundingClientRect().left];
        }""")
        box = name.bounding_box()
    assert text == "(2015)"
    assert box
    assert left >= box["x"] + box["width"]


# --- The policy ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the small catalogue; not to be changed."""
    folder = tmp_path_factory.mktemp("harmless")
    return build(Records(folder / "papers").load(), folder / "build")


def test_the_policy_lets_the_theme_work(harmless: Path, browser: Browser) -> None:
    options = {"color_scheme": "light", "permissions": ["clipboard-read", "clipboard-write"]}
    with visiting(browser, harmless, **options) as window:
        page = window.open("papers/xception/")
        body = page.locator("body")
        assert body.get_attribute("data-md-color-scheme") == "default"
        page.locator("label[for=__palette_1]").first.click()
        assert body.get_attribute("data-md-color-scheme") == "slate"
        for elsewhere in ("topics/kernels/dilated/", "404.html"):  # at any depth, by the theme's inline scripts
            window.open(elsewhere)
            assert body.get_attribute("data-md-color-scheme") == "slate"
        window.open("papers/xception/")
        page.locator("[data-clipboard-target]").locator("visible=true").first.click()
        assert page.evaluate("navigator.clipboard.readText()").strip()
        search(page, "depthwise")
        page.locator(".md-search-result__item", has_text="Xception").first.wait_for()
    assert window.problems == []


def test_the_policy_stops_what_is_not_the_theme_s(harmless: Path, tmp_path: Path, browser: Browser) -> None:
    site = shutil.copytree(harmless, tmp_path / "site")
    path = site / "index.html"
    injected = (
        "<script>window.hacked=1</script><p onclick='window.hacked=2' id=p>x</p>"
        "<a id=a href='javascript:window.hacked=3'>x</a><iframe src='data:text/html,x'></iframe><base href='//x.org'>"
        "<img src='https://example.org/x.png'>"
    )
    path.write_text(path.read_text(encoding="utf-8").replace("</article>", f"{injected}</article>"), encoding="utf-8")
    with pytest.raises(CatalogError, match=r"index\.html holds a script .*: window.hacked=1…\n.*sha256-"):
        policy.check(site)
    with visiting(browser, site) as window:
        page = window.open()
        page.evaluate("document.getElementById('p').click(); document.getElementById('a').click()")
        page.wait_for_timeout(100)
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.baseURI") == window.address
    for what in ("script-src", "frame-src", "base-uri", "img-src"):
        assert any("Content Security Policy" in problem and what in problem for problem in window.problems), what
    assert len([problem for problem in window.problems if "inline" in problem]) == 3


def test_a_page_without_a_policy_is_an_error(harmless: Path, tmp_path: Path) -> None:
    policy.check(harmless)
    for path in harmless.rglob("*.html"):
        head = path.read_bytes()[:1024]  # where browsers look for the encoding
        assert head.index(b"Content-Security-Policy") < head.index(b'charset="utf-8"'), path
        (scripts,) = re.findall(rb"script-src ([^;]*);", head)
        assert all(re.fullmatch(rb"'(self|sha256-[\w+/]{43}=)'", source) for source in scripts.split()), path
    (tmp_path / "extra.html").write_text("<!doctype html><title>x</title>")
    with pytest.raises(CatalogError, match=r"extra\.html has no Content-Security-Policy"):
        policy.check(tmp_path)


def test_pages_are_readable_as_files(harmless: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto((harmless / "papers" / "xception" / "index.html").as_uri())
    assert "Depthwise separable convolutions." in page.locator("article").inner_text()
    assert page.evaluate("getComputedStyle(document.querySelector('.title')).fontFamily").startswith("Charter")
    page.close()
