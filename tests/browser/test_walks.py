"""What people do on the site, at a desk and on a phone; each visit must end without an error or a foreign request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.browsing import DESKTOP, PHONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.browsing import Visit

Visiting = "Callable[..., Visit]"

expect.set_options(timeout=15_000)  # as long as a busy machine takes

both_widths = pytest.mark.parametrize("width", [DESKTOP, PHONE])

BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def search(page: Page, words: str) -> None:
    if page.viewport_size and page.viewport_size["width"] < DESKTOP:
        page.get_by_role("banner").locator("[for=__search] > button").click()
    page.get_by_role("textbox", name="Search").fill(words)


@both_widths
def test_search_for_an_idea_leads_to_its_paper(visit: Visiting, width: int) -> None:
    page = visit(width=width).open()
    search(page, "depthwise")
    result = page.locator(".md-search-result__link", has=page.get_by_role("heading", name="Xception")).first
    result.click()
    page.wait_for_url("**/papers/xception/**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Xception")


@both_widths
def test_from_a_paper_to_its_ancestor_and_back(visit: Visiting, width: int) -> None:
    page = visit(width=width).open("papers/xception/")
    page.get_by_role("article").get_by_role("link", name="Inception-v3", exact=True).first.click()
    page.wait_for_url("**/papers/inception-v3/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Inception-v3")
    page.get_by_role("article").get_by_role("link", name="Xception", exact=True).first.click()
    page.wait_for_url("**/papers/xception/")
    page.go_back()
    page.wait_for_url("**/papers/inception-v3/")


@both_widths
@pytest.mark.parametrize("anchor", ["claim-parameters", "claim-imagenet-top-1", "code-40"])
def test_an_address_within_a_page_leads_there(visit: Visiting, width: int, anchor: str) -> None:
    page = visit(width=width).open(f"papers/xception/#{anchor}")
    expect(page.locator(f"#{anchor}")).to_be_in_viewport()
    page.wait_for_timeout(300)
    expect(page.locator(f"#{anchor}")).to_be_in_viewport()


@both_widths
def test_dark_stays_dark(visit: Visiting, width: int) -> None:
    window = visit(width=width, color_scheme="light")
    page = window.open()
    light = page.evaluate(BACKGROUND)
    page.locator("label[title='Switch to dark']").click()
    dark = page.evaluate(BACKGROUND)
    assert dark != light
    page.get_by_role("article").get_by_role("link", name="timeline").or_(
        page.get_by_role("article").get_by_role("link", name="Lineage")
    ).first.click()
    page.wait_for_url(lambda url: url != window.address)
    assert page.evaluate(BACKGROUND) == dark
    page.reload()
    assert page.evaluate(BACKGROUND) == dark
    page.locator("label[title='Switch to light']").click()
    assert page.evaluate(BACKGROUND) == light


def test_the_system_decides_first(visit: Visiting) -> None:
    colours = {visit(color_scheme=scheme).open().evaluate(BACKGROUND) for scheme in ("light", "dark")}
    assert len(colours) == 2


@both_widths
def test_code_is_copied(visit: Visiting, width: int) -> None:
    page = visit(width=width, permissions=["clipboard-read", "clipboard-write"]).open("papers/xception/")
    block = page.locator(".highlight", has_text="repro verify xception").first
    block.hover()
    block.get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "repro verify xception" in copied.splitlines()
    assert copied.strip() == block.locator("code").inner_text().strip()


@both_widths
def test_bibtex_is_copied(visit: Visiting, width: int) -> None:
    page = visit(width=width, permissions=["clipboard-read", "clipboard-write"]).open("papers/xception/")
    entry = page.locator(".highlight", has_text="@inproceedings{").first
    if not entry.is_visible():
        page.locator("details", has=entry).locator("summary").first.click()
    entry.hover()
    entry.get_by_role("button", name="Copy").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("@inproceedings{xception,")
    assert "Chollet" in copied
    assert copied.rstrip().endswith("}")


# --- The explorer ----------------------------------------------------------------------------------------------------


def explorer(window: Visit, query: str = "") -> Page:
    page = window.open(f"lineage/{query}")
    page.locator("#explorer-search").focus()  # until somebody turns to it, the picture is a still one
    expect(page.locator("#explorer[data-ready]")).to_be_visible()
    return page


def shown(page: Page) -> tuple[int, int]:
    """How many papers and relations the explorer says it shows."""
    words = page.locator("#explorer-status").inner_text().split()
    return int(words[0]), int(words[words.index("relations") - 1])


@both_widths
def test_a_selection_has_an_address(visit: Visiting, width: int) -> None:
    page = explorer(visit(width=width))
    page.get_by_label("Find a work").fill("xcep")
    page.get_by_role("option", name="Xception").click()
    panel = page.locator("#explorer-panel")
    expect(panel.get_by_role("heading", level=2)).to_contain_text("Xception")
    expect(panel.get_by_role("link", name="Inception-v3")).to_be_visible()
    assert page.url.endswith("?paper=xception")
    text, address = panel.inner_text(), page.url.removeprefix(page.url.split("lineage/")[0])
    page.reload()
    expect(page.locator("#explorer-panel h2")).to_contain_text("Xception")
    elsewhere = visit(width=width)
    other = elsewhere.open(address)
    expect(other.locator("#explorer-panel h2")).to_contain_text("Xception")
    assert other.locator("#explorer-panel").inner_text() == text
    other.locator("#explorer-panel h2").get_by_role("link").click()
    other.wait_for_url("**/papers/xception/")


def test_a_click_in_the_picture_selects(visit: Visiting) -> None:
    page = explorer(visit(), "?paper=xception")
    canvas = page.locator("#explorer-canvas")
    box = canvas.bounding_box()
    assert box
    before = page.locator("#explorer-status").inner_text()
    # The selection is drawn in the middle; left of it are its ancestors. Some place there is a work.
    for left in range(10, int(box["width"]), 7):
        canvas.click(position={"x": left, "y": box["height"] / 2})
        if page.locator("#explorer-status").inner_text() != before:
            break
    assert page.locator("#explorer-status").inner_text() != before


@both_widths
@pytest.mark.parametrize(
    ("query", "choose"),
    [
        ("topic=residual", lambda page: page.locator("[name=topic]").select_option(label="Deconvolution")),
        ("from=2017", lambda page: page.locator("[name=from]").select_option("2017")),
        ("to=2015", lambda page: page.locator("[name=to]").select_option("2015")),
        ("verdict=deviates", lambda page: page.locator("[name=verdict]").select_option(index=1)),
        ("relation=", lambda page: page.locator("#explorer-relations input").first.uncheck()),
    ],
    ids=["topic", "from", "to", "verdict", "relation"],
)
def test_filters_leave_less_and_can_be_cleared(
    visit: Visiting, width: int, query: str, choose: Callable[[Page], object]
) -> None:
    window = visit(width=width)
    page = explorer(window)
    everything = shown(page)
    opened = page.locator("#explorer details:not([open]) > summary")
    for summary in opened.all():
        summary.click()
    choose(page)
    fewer = shown(page)
    assert fewer < everything
    assert query.partition("=")[0] + "=" in page.url
    explorer(window, f"?{page.url.partition('?')[2]}")
    assert shown(page) == fewer
    page.locator("#explorer-filters [type=reset]").click()
    expect(page.locator("#explorer-status")).to_contain_text(f"{everything[1]} relations")
    assert shown(page) == everything
    assert "?" not in page.url


# --- Without a script, and by keyboard alone -------------------------------------------------------------------------


@both_widths
def test_without_scripts_everything_is_there_to_read(visit: Visiting, width: int) -> None:
    window = visit(width=width, java_script_enabled=False)
    page = window.open("papers/xception/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Xception")
    expect(page.get_by_text("22,855,952").first).to_be_visible()
    expect(page.locator(".language-python", has_text="class ").last).to_be_visible()
    page = window.open("lineage/")
    picture = page.locator("svg.lineage")
    expect(picture).to_be_visible()
    picture.locator("a[href$='papers/xception/']").first.dispatch_event("click")
    page.wait_for_url("**/papers/xception/")
    expect(window.open("efficiency/").locator("table").first).to_be_visible()
    expect(window.open("status/").locator("table").first).to_be_visible()


FOCUS = """() => {
    const part = document.activeElement;
    const shown = part.matches(".md-option") ? part.nextElementSibling : part;
    const { x, y, width, height } = shown.getBoundingClientRect();
    const { outlineStyle, outlineWidth, visibility } = getComputedStyle(shown);
    return {
        name: part.getAttribute("aria-label") || part.textContent.trim() || part.tagName,
        inside: width > 0 && height > 0 && x + width > 0 && y + height > 0 && x < innerWidth && y < innerHeight
            && visibility === "visible",
        outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 1,
    };
}"""


@both_widths
def test_the_tab_key_goes_through_what_is_seen(visit: Visiting, width: int) -> None:
    page = visit(width=width).open("papers/xception/")
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        page.wait_for_timeout(20)
        focus = page.evaluate(FOCUS)
        assert focus["inside"], f"{focus['name']} after {names}"
        assert focus["outlined"], focus["name"]
        names.append(focus["name"])
    assert names[0] == "Skip to content"
    assert len(set(names)) > 15


def test_the_skip_link_skips(visit: Visiting) -> None:
    page = visit().open("papers/xception/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("!!document.activeElement.closest('article')")


@both_widths
def test_search_by_keyboard(visit: Visiting, width: int) -> None:
    page = visit(width=width).open()
    page.keyboard.press("/")
    page.keyboard.type("depthwise")
    expect(page.locator(".md-search-result__link").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/papers/" in url or "/questions/" in url or "/topics/" in url)


def test_the_menu_of_a_phone_by_keyboard(visit: Visiting) -> None:
    page = visit(width=PHONE).open()
    menu = page.get_by_role("button", name="Menu")
    menu.focus()
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("aria-expanded", "true")
    link = page.locator(".md-sidebar--primary").get_by_role("link", name="Lineage", exact=True)
    expect(link).to_be_in_viewport()
    for _ in range(20):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/lineage/")


def test_wide_tables_scroll_by_keyboard(visit: Visiting) -> None:
    page = visit(width=PHONE).open("papers/xception/")
    page.locator(".md-content pre > code[tabindex]").first.wait_for(state="attached")
    box = page.locator(".networks [tabindex='0']").first
    box.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    # The policy of the page forbids what would wait in the page itself.
    box.evaluate(
        "box => box.scrollLeft || new Promise((moved) => box.addEventListener('scroll', moved, { once: true }))"
    )
    assert box.evaluate("box => box.scrollLeft") > 0


def test_details_open_by_keyboard(visit: Visiting) -> None:
    page = visit().open("papers/xception/")
    details = page.locator("article details").first
    expect(details).not_to_have_attribute("open", "")
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(details).to_have_attribute("open", "")


def test_the_explorer_by_keyboard(visit: Visiting) -> None:
    page = explorer(visit())
    page.get_by_label("Find a work").focus()
    page.keyboard.type("xception")
    page.keyboard.press("Enter")
    expect(page.locator("#explorer-panel h2")).to_contain_text("Xception")
    page.locator("#explorer-canvas").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#explorer-panel h2")).to_contain_text("Inception-v3")
    page.keyboard.press("Escape")
    expect(page.locator("#explorer-panel")).not_to_contain_text("Inception-v3")
    assert "?" not in page.url
