// A text field with a list of what may be meant, as the ARIA practices describe it: the focus stays in the field.

/**
 * @param field an input with the role combobox
 * @param list the list that it controls, with the role listbox
 * @param take is called with what is chosen
 * @returns a function that shows what may be chosen: pairs of a value and its text, the likeliest first
 */
export function combobox(field, list, take) {
  let values = [];
  let marked = 0;

  function mark(index) {
    marked = index;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    if (values.length) field.setAttribute("aria-activedescendant", list.children[index].id);
    else field.removeAttribute("aria-activedescendant");
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  function offer(options) {
    values = options.map(([value]) => value);
    list.replaceChildren(...options.map(([, text], index) => {
      const option = document.createElement("li");
      option.id = `${list.id}-${index}`;
      option.textContent = text;
      option.setAttribute("role", "option");
      return option;
    }));
    list.hidden = !values.length;
    field.setAttribute("aria-expanded", String(values.length > 0));
    mark(0);
  }

  function choose(index) {
    const value = values[index];
    field.value = "";
    offer([]);
    take(value);
  }

  field.addEventListener("blur", () => offer([]));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && values.length) {
      offer([]);
      event.stopPropagation();
    } else if (event.key === "Enter") {
      if (values.length) choose(marked);
    } else if (event.key === "ArrowDown" && values.length) mark((marked + 1) % values.length);
    else if (event.key === "ArrowUp" && values.length) mark((marked - 1 + values.length) % values.length);
    else return;
    event.preventDefault();
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const index = [...list.children].indexOf(event.target);
    if (index >= 0) choose(index);
  });
  return offer;
}
