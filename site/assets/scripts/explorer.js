// The explorer of the lineage: what is shown and selected is in the address of the page.
//
// The still picture stays until somebody turns to it, by pointer, finger or keyboard, or comes by an address that says
// what to show: then a drawing takes its place that looks the same and can be moved.
import { combobox } from "./combobox.js";
import { filtered, find, reach } from "./lineage.js";

const element = (id) => document.getElementById(id);
const form = element("explorer-filters");
const relationBoxes = [...element("explorer-relations").querySelectorAll("input")];
const canvas = element("explorer-canvas");
const still = element("explorer-static");
const panel = element("explorer-panel");
const status = element("explorer-status");
const search = element("explorer-search");
const nothing = panel.innerHTML;

let graph, picture;
let chosen = null;
let visible = { works: new Set(), edges: new Set() };

/** An element with attributes and children; text stays text. */
function made(name, attributes, ...children) {
  const made_ = Object.assign(document.createElement(name), attributes);
  made_.append(...children);
  return made_;
}

// --- The address ---

const FIELDS = ["topic", "from", "to", "verdict"];

function read() {
  const asked = new URLSearchParams(location.search);
  for (const name of FIELDS) {
    form.elements[name].value = asked.get(name) ?? "";
    if (form.elements[name].selectedIndex < 0) form.elements[name].value = "";
  }
  form.elements.outside.checked = asked.get("outside") !== "no";
  form.elements.all.checked = asked.get("all") === "yes";
  const relations = asked.get("relation")?.split(",");
  for (const box of relationBoxes) box.checked = !relations || relations.includes(box.value);
  return asked.get("paper");
}

function write() {
  const asked = new URLSearchParams();
  if (chosen !== null) asked.set("paper", graph.nodes[chosen].id);
  for (const name of FIELDS) if (form.elements[name].value) asked.set(name, form.elements[name].value);
  const shown = relationBoxes.filter((box) => box.checked);
  if (shown.length < relationBoxes.length) asked.set("relation", shown.map((box) => box.value).join(","));
  if (!form.elements.outside.checked) asked.set("outside", "no");
  if (form.elements.all.checked) asked.set("all", "yes");
  const address = `${location.pathname}${asked.size ? `?${asked}` : ""}`.replaceAll("%2C", ",").replaceAll("%2F", "/");
  if (address !== location.pathname + location.search) history.pushState(null, "", address);
}

// --- What is shown ---

function show() {
  visible = filtered(graph, {
    topic: form.elements.topic.value,
    from: Number(form.elements.from.value),
    to: Number(form.elements.to.value),
    verdict: form.elements.verdict.value,
    outside: form.elements.outside.checked,
    relations: new Set(relationBoxes.filter((box) => box.checked).map((box) => box.value)),
  });
  const all = form.elements.all.checked;
  const back = chosen === null ? null : reach(graph, chosen, true, all);
  const forth = chosen === null ? null : reach(graph, chosen, false, all);
  picture.show(new Set([...visible.works, ...(chosen === null ? [] : [chosen])]), visible.edges);
  picture.choose(
    chosen,
    new Set([...(back?.works.keys() ?? []), ...(forth?.works.keys() ?? [])]),
    new Set([...(back?.edges ?? []), ...(forth?.edges ?? [])]),
  );
  if (chosen === null) {
    panel.innerHTML = nothing;
    const papers = [...visible.works].filter((number) => !graph.nodes[number].outside).length;
    status.textContent = `${papers} papers, ${visible.works.size - papers} other works and ${visible.edges.size} relations are shown.`;
  } else {
    list(back.works, forth.works);
    const { name, year } = graph.nodes[chosen];
    status.textContent = `${name}, ${year}: comes from ${works(back.works.size)}, led to ${works(forth.works.size)}.`;
  }
}

const works = (count) => (count === 1 ? "1 work" : `${count || "no"} works`);

function select(number) {
  chosen = number;
  show();
  write();
  if (number !== null) picture.reveal(number);
}

/** The selection in words. */
function list(ancestors, descendants) {
  const node = graph.nodes[chosen];
  const entry = (number, ...phrase) => {
    const other = graph.nodes[number];
    const choose = made("a", { href: `?paper=${other.id}`, textContent: "select", title: `Select ${other.name}` });
    choose.dataset.select = number;
    return made("li", {}, made("a", { href: other.page, textContent: other.name }), ` (${other.year}) · `, choose,
      made("br", {}), ...phrase);
  };
  const came = [...ancestors].map(([number, { edge }]) =>
    entry(number, `${graph.nodes[edge.target].name} `, made("em", { textContent: edge.relation }), ` it: ${edge.what}`));
  const led = [...descendants].map(([number, { edge }]) =>
    entry(number, made("em", { textContent: edge.relation }), ` ${graph.nodes[edge.source].name}: ${edge.what}`));
  const verdicts = Object.entries(node.verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  panel.replaceChildren(
    made("h2", {}, made("a", { href: node.page, textContent: node.name }), ` (${node.year})`),
    ...(node.title === node.name ? [] : [made("p", { textContent: node.title })]),
    ...(verdicts.length ? [made("p", { textContent: `Claims: ${verdicts.join(", ")}` })] : []),
    made("p", {}, made("code", { textContent: `repro lineage ${node.id}${form.elements.all.checked ? " --all-relations" : ""}` })),
    made("h3", { textContent: `Comes from ${works(came.length)}` }), made("ul", {}, ...came),
    made("h3", { textContent: `Led to ${works(led.length)}` }), made("ul", {}, ...led),
  );
  panel.scrollTop = 0;
}

// --- Pointing ---

const view = canvas.parentElement;
const tip = view.appendChild(made("div", { className: "explorer-tip", hidden: true }));
const years = view.appendChild(made("div", { className: "explorer-years" }));
years.setAttribute("aria-hidden", "true");

function point(number, at) {
  tip.hidden = number === null;
  canvas.classList.toggle("pointing", number !== null);
  if (number === null) return;
  const node = graph.nodes[number];
  const verdicts = Object.entries(node.verdicts).map(([verdict, count]) => `${count} ${verdict}`);
  tip.replaceChildren(
    made("strong", { textContent: node.name }), ` ${node.year}`,
    ...(node.title === node.name ? [] : [made("br", {}), node.title]),
    ...(verdicts.length ? [made("br", {}), verdicts.join(" · ")] : []),
  );
  tip.style.left = `${Math.max(0, Math.min(at.x, canvas.clientWidth - tip.offsetWidth - 4))}px`;
  const below = at.y + 16 + tip.offsetHeight < canvas.clientHeight;
  tip.style.top = `${below ? at.y + 16 : Math.max(0, at.y - 16 - tip.offsetHeight)}px`;
}

/** Puts the years above their columns, as many as there is room for. */
function label(zoom, pan) {
  let end = -Infinity;
  graph.columns.forEach((column, index) => {
    const x = column.x * zoom + pan.x;
    const shown = x >= 0 && x > end && x < canvas.clientWidth - 30;
    years.children[index].hidden = !shown;
    if (!shown) return;
    years.children[index].style.left = `${x}px`;
    end = x + column.years.length * 8 + 14;
  });
}

// --- The keyboard in the picture ---

function next(key) {
  const shown = [...visible.works];
  if (chosen === null) {
    const weight = new Map(shown.map((number) => [number, 0]));
    for (const edge of visible.edges) weight.set(edge.source, weight.get(edge.source) + 1);
    return shown.sort((one, other) => weight.get(other) - weight.get(one))[0];
  }
  const here = graph.nodes[chosen];
  const height = (number) => Math.abs(graph.nodes[number].y - here.y);
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const [near, far] = key === "ArrowLeft" ? ["target", "source"] : ["source", "target"];
    const rank = (edge) => graph.relations[edge.relation].rank;
    return [...visible.edges]
      .filter((edge) => edge[near] === chosen)
      .sort((one, other) => rank(one) - rank(other) || height(one[far]) - height(other[far]))[0]?.[far];
  }
  const down = key === "ArrowDown" ? 1 : -1;
  return shown
    .filter((number) => graph.nodes[number].x === here.x && (graph.nodes[number].y - here.y) * down > 0)
    .sort((one, other) => height(one) - height(other))[0];
}

const KEYS = { "+": () => picture.zoom(1.3), "=": () => picture.zoom(1.3), "-": () => picture.zoom(1 / 1.3), 0: () => picture.fit() };

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key.startsWith("Arrow")) {
    const number = next(event.key);
    if (number !== undefined) select(number);
  } else if (event.key === "Enter" && chosen !== null) location.href = graph.nodes[chosen].page;
  else if (event.key in KEYS) KEYS[event.key]();
  else return;
  event.preventDefault();
}

// --- The beginning ---

/** How far the picture is scrolled when most papers are in its middle. */
const middle = () => Number(still.dataset.start) - view.clientWidth / 2;

function restore() {
  const paper = read();
  const found = graph.nodes.findIndex((node) => node.id === paper);
  chosen = found < 0 ? null : found;
  show();
  if (chosen !== null) picture.reveal(chosen);
}

async function load() {
  const [{ draw }, answer] = await Promise.all([import("./lineage-picture.js"), fetch("graph.json")]);
  graph = await answer.json();
  years.append(...graph.columns.map((column) => made("span", { textContent: column.years })));
  const [left, top, focused] = [still.scrollLeft, still.scrollTop, still.contains(document.activeElement)];
  still.hidden = true;
  canvas.hidden = false;
  picture = draw(canvas, graph, { onSelect: select, onPoint: point, onMove: label });
  picture.start(left, top);
  if (focused) canvas.focus({ preventScroll: true });
  new MutationObserver(() => picture.recolour()).observe(document.body, { attributeFilter: ["data-md-color-scheme"] });
}

let loaded;
/** Calls a function with an event as soon as everything is there. */
const then = (handle) => async (event) => {
  loaded ??= load().then(() => {
    element("explorer").dataset.ready = "";
    show();
  });
  await loaded;
  handle(event);
};
const ready = then(() => {});

/** Takes over what a link of the still picture, or of the list, would do. */
function instead(number) {
  return (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || number(link) === undefined) return;
    event.preventDefault();
    then(() => select(number(link)()))();
  };
}

const changed = then(() => {
  show();
  write();
});

for (const kind of ["pointerenter", "focusin"]) element("explorer").addEventListener(kind, ready, { once: true });
for (const part of [form, element("explorer-relations")]) {
  part.addEventListener("change", (event) => event.target !== search && changed());
}
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => {
  for (const box of relationBoxes) box.checked = true;
  setTimeout(then(() => { // after the form has done its part
    select(null);
    picture.start(middle(), 0);
  }));
});
const offer = combobox(search, element("explorer-matches"), (number) => select(number));
search.addEventListener("input", then(() => {
  const found = find(graph, search.value, 8);
  offer(found.map((number) => [number, `${graph.nodes[number].name} (${graph.nodes[number].year})`]));
  if (search.value && !found.length) status.textContent = "No work is called so.";
}));
still.addEventListener("click", instead((link) => () => graph.nodes.findIndex((node) => node.page === link.getAttribute("href"))));
panel.addEventListener("click", instead((link) => link.dataset.select && (() => {
  panel.focus({ preventScroll: true });
  return Number(link.dataset.select);
})));
element("explorer").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen !== null) select(null);
});
canvas.addEventListener("keydown", pressed);
canvas.addEventListener("pointerdown", () => canvas.focus({ preventScroll: true }));
// The page scrolls over the picture, unless somebody is at work in it.
view.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && document.activeElement !== canvas) event.stopPropagation();
}, { capture: true });
element("explorer-zoom-in").addEventListener("click", then(() => picture.zoom(1.3)));
element("explorer-zoom-out").addEventListener("click", then(() => picture.zoom(1 / 1.3)));
element("explorer-fit").addEventListener("click", then(() => picture.fit()));
element("explorer-copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    status.textContent = "The link is copied.";
  } catch {
    status.textContent = location.href; // where pages may not write to the clipboard
  }
});
addEventListener("popstate", then(restore));

read();
if (location.search) {
  then(() => {
    restore();
    if (chosen === null) picture.fit();
  })();
}
// To where most papers are, once the page is painted: to ask for its layout earlier would delay it.
else addEventListener("load", () => setTimeout(() => still.scrollTo(middle(), 0), 200));
