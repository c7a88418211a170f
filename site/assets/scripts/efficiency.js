// Accuracy against cost, drawn from the table of the page in the place of the still picture.

import "../libraries/chart.js"; // which defines Chart

const table = document.getElementById("efficiency-table");
const form = document.getElementById("efficiency-controls");
const box = document.getElementById("efficiency-chart");
const count = document.getElementById("efficiency-count");

// --- Points ----------------------------------------------------------------------------------------------------------

const AXES = { macs: "multiply-accumulates for one crop", parameters: "parameters" };

const points = [...table.tBodies[0].rows].map((row) => {
  const [name, family, accuracy, , protocol, , parameters, macs] = row.cells;
  return {
    name: name.textContent.trim(),
    address: name.querySelector("a").href,
    family: family.dataset.value,
    mark: Number(row.dataset.mark),
    crops: row.dataset.crops,
    accuracy: Number(accuracy.dataset.value),
    parameters: Number(parameters.dataset.value),
    macs: Number(macs.dataset.value),
    said: [
      `${accuracy.textContent} as reported, ${protocol.textContent}`,
      `${macs.textContent} multiply-accumulates`,
      `${parameters.textContent} parameters`,
    ],
  };
});

function chosen() {
  const data = new FormData(form);
  const families = new Set(data.getAll("family"));
  const cost = data.get("cost");
  const isTaken = (point) => point.crops === data.get("crops") && families.has(point.family) && point[cost] > 0;
  return { cost, found: points.filter(isTaken) };
}

// --- The chart -------------------------------------------------------------------------------------------------------

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

// A mark of the page in one colour, as a picture that Chart.js can draw.
function stamp(mark, hue) {
  const shape = form.querySelector(`.topic-${mark}.mark > path`).cloneNode();
  shape.setAttribute("fill", hue);
  const picture = new Image(12, 12);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="12" height="12" viewBox="-6 -6 12 12">${shape.outerHTML}</svg>`;
  picture.src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  picture.decode().then(() => chart.render());
  return picture;
}

function brief(value) {
  const power = Math.min(Math.floor(Math.log10(value) / 3), 4);
  return `${Number((value / 1000 ** power).toPrecision(3))} ${["", "k", "M", "G", "T"][power]}`.trim();
}

function datasets({ cost, found }) {
  return [...new Set(found.map((point) => point.family))].map((family) => {
    const members = found.filter((point) => point.family === family);
    const { mark } = members[0];
    return {
      label: family,
      data: members.map((point) => ({ x: point[cost], y: 100 * point.accuracy, point })),
      pointStyle: stamp(mark, colour(`--topic-${mark}`)),
      radius: 6,
      clip: false,
    };
  });
}

function axis(text, callback) {
  const quiet = colour("--md-default-fg-color--light");
  const line = colour("--md-default-fg-color--lightest");
  return {
    title: { display: true, text, color: quiet },
    ticks: { color: quiet, callback, maxRotation: 0 },
    grid: { color: ({ tick }) => (tick?.label ? line : "transparent") },
    border: { display: false },
  };
}

// Of every power of ten one and three.
const tick = (value) => (/^[13](?!\.)/.test(value.toExponential()) ? brief(value) : "");

function options({ cost }) {
  return {
    maintainAspectRatio: false,
    animation: false,
    scales: {
      x: { type: "logarithmic", ...axis(AXES[cost], tick) },
      y: axis("top-1 accuracy as reported", (value) => `${value} %`),
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false,
        // Of points on top of each other all are shown, each with its name.
        callbacks: { title: () => "", label: ({ raw }) => [raw.point.name, ...raw.point.said] },
      },
    },
    onClick: (_event, [hit], { data }) => {
      if (hit) location.assign(data.datasets[hit.datasetIndex].data[hit.index].point.address);
    },
    onHover: ({ native }, hits) => {
      native.target.style.cursor = hits.length ? "pointer" : "";
    },
  };
}

function draw() {
  const choice = chosen();
  chart.data.datasets = datasets(choice);
  chart.options = options(choice);
  chart.update();
  count.textContent = `${choice.found.length} of ${points.length} points`;
}

form.hidden = box.hidden = false;
document.getElementById("efficiency-picture")?.remove();
Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
const chart = new Chart(box.querySelector("canvas"), { type: "scatter", data: { datasets: [] }, options: options(chosen()) });
draw();
form.addEventListener("change", draw);
new MutationObserver(draw).observe(document.body, { attributeFilter: ["data-md-color-scheme"] }); // light or dark
