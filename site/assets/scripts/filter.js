// A field above a list or table that leaves only what matches. Without this script all of it is shown.
//
// <div data-filter="li" data-filter-label="Filter papers">: what to search, and what the field is called. An item
// matches by its own text and by that of the heading above it, or of the link in the first row of its part of a table.

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function headingOf(group) {
  if (group.matches("tbody")) return group.rows[0].querySelector("a");
  const before = group.previousElementSibling;
  return before?.matches("h2, h3") ? before : null;
}

function addFilter(box) {
  const items = [...box.querySelectorAll(box.dataset.filter)].map((element) => ({
    element,
    group: element.parentElement,
    text: plain(`${element.textContent} ${headingOf(element.parentElement)?.textContent ?? ""}`),
  }));
  const groups = new Set(items.map((item) => item.group));

  const label = document.createElement("label");
  const field = Object.assign(document.createElement("input"), { type: "search", autocomplete: "off" });
  const count = Object.assign(document.createElement("output"), { textContent: "" });
  label.append(box.dataset.filterLabel, field);
  const form = Object.assign(document.createElement("div"), { className: "filter" });
  form.append(label, count);
  box.before(form);

  field.addEventListener("input", () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    const shown = new Set();
    for (const { element, group, text } of items) {
      element.hidden = !words.every((word) => text.includes(word));
      if (!element.hidden) shown.add(group);
    }
    for (const group of groups) {
      group.hidden = !shown.has(group);
      const heading = headingOf(group);
      if (heading && !group.contains(heading)) heading.hidden = group.hidden;
    }
    const left = items.filter(({ element }) => !element.hidden).length;
    count.textContent = words.length ? `${left} of ${items.length}` : "";
  });
}

document.querySelectorAll("[data-filter]").forEach(addFilter);
