// What the theme's markup lacks for those who use a keyboard or a screen reader. Every page loads it.

const SCROLLING = "pre, pre > code, table, figure, .md-typeset__scrollwrap";

/** Put a button into a label that switches a hidden check box, which no key reaches. */
function button(label, name) {
  const toggle = document.getElementById(label.htmlFor);
  const made = document.createElement("button");
  made.type = "button";
  made.className = "toggle";
  made.setAttribute("aria-label", name);
  made.setAttribute("aria-expanded", toggle.checked);
  made.append(...label.childNodes);
  made.addEventListener("click", () => toggle.click());
  toggle.addEventListener("change", () => made.setAttribute("aria-expanded", toggle.checked));
  label.removeAttribute("tabindex");
  label.append(made);
}

for (const [part, name] of [["drawer", "Menu"], ["search", "Search"]])
  for (const label of document.querySelectorAll(`.md-header__button[for=__${part}]`)) button(label, name);
for (const label of document.querySelectorAll(".md-nav__container > label"))
  button(label, `Pages of ${label.previousElementSibling.textContent.trim()}`);
for (const part of document.querySelectorAll(".md-search, .md-search__inner")) part.setAttribute("aria-label", "Search");

/** Boxes that scroll can be reached, and the buttons of code are no landmarks. */
function mend() {
  for (const box of document.querySelectorAll(`.md-content :is(${SCROLLING})`))
    if (box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible" && !box.hasAttribute("tabindex"))
      box.tabIndex = 0;
  for (const nav of document.querySelectorAll(".md-code__nav")) nav.setAttribute("role", "none");
}

const idle = window.requestIdleCallback ?? setTimeout; // Safari has no such thing
let waiting = false;
function soon() {
  if (!waiting) idle(() => { waiting = false; mend(); });
  waiting = true;
}

// The theme wraps tables and adds buttons after the page was read, and takes the focus from code on phones.
const changes = new MutationObserver(soon);
for (const content of document.querySelectorAll(".md-content"))
  changes.observe(content, { childList: true, subtree: true, attributeFilter: ["tabindex"] });
addEventListener("resize", soon);
soon();
