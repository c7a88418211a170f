// The theme fetches the index of its search, the largest file of the site, for every page. It is held back until
// somebody turns to the search, or comes from it to see what was found. Runs before the theme's own script.
(() => {
  const asked = new Promise((resolve) => {
    if (/[?&][hq]=/.test(location.search)) resolve();
    addEventListener("keydown", resolve, { once: true });
    for (const type of ["focusin", "pointerdown"])
      addEventListener(type, ({ target }) => target.closest(".md-search, [for=__search], [role=search]") && resolve());
  });
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, address, ...others) {
    this.waits = /\/search(_index)?\.json$/.test(address);
    return open.call(this, method, address, ...others);
  };
  XMLHttpRequest.prototype.send = function (...body) {
    if (this.waits) asked.then(() => send.apply(this, body));
    else send.apply(this, body);
  };
})();
