// The field on the home page hands what was typed to the search of the theme.

const form = document.querySelector(".find");

form?.addEventListener("submit", (event) => {
  const query = document.querySelector("[data-md-component=search-query]");
  const toggle = document.querySelector("[data-md-toggle=search]");
  const button = document.querySelector(".md-search__button");
  if (!query && !button) return;
  event.preventDefault();
  if (query && toggle) {
    if (!toggle.checked) toggle.click();
    query.value = form.elements.q.value;
    query.focus();
    query.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
  } else {
    button.click();
  }
});
