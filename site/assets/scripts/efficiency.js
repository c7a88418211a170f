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
      `${accuracy.textContent}, ${protocol.textContent}`,
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

// The marks of the page as Chart.js calls them, and by how much they are turned.
const SHAPES = [
  ["line", 0],
  ["circle", 0],
  ["rect", 0],
  ["triangle", 0],
  ["rectRot", 0],
  ["star", 0],
  ["triangle", 180],
  ["cross", 0],
  ["crossRot", 0],
];

const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

function brief(value) {
  const power = Math.min(Math.floor(Math.log10(value) / 3), 4);
  return `${Number((value / 1000 ** power).toPrecision(3))} ${["", "k", "M", "G", "T"][power]}`.trim();
}

function datasets({ cost, found }) {
  return [...new Set(found.map((point) => point.family))].map((family) => {
    const members = found.filter((point) => point.family === family);
    const hue = colour(`--topic-${members[0].mark}`);
    const [pointStyle, rotation] = SHAPES[members[0].mark];
    return {
      label: family,
      data: members.map((point) => ({ x: point[cost], y: 100 * point.accuracy, point })),
      pointStyle,
      rotation,
      radius: 5,
      hoverRadius: 8,
      borderWidth: 2,
      borderColor: hue,
      backgroundColor: hue,
    };
  });
}

function axis(text, callback) {
  const quiet = colour("--md-default-fg-color--light");
  return {
    title: { display: true, text, color: quiet },
    ticks: { color: quiet, callback },
    grid: { color: colour("--md-default-fg-color--lightest") },
    border: { display: false },
  };
}

// Of every power of ten one and three.
const tick = (value) => (/^[13](?!\.)/.test(value.toExponential()) ? brief(value) : "");

function options({ cost }) {
  return {
    maintainAspectRatio: false,
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? false : { duration: 250 },
    scales: {
      x: { type: "logarithmic", ...axis(AXES[cost], tick) },
      y: axis("top-1 accuracy as reported", (value) => `${value} %`),
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        displayColors: false,
        callbacks: { title: ([item]) => item.raw.point.name, label: (item) => item.raw.point.said },
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
