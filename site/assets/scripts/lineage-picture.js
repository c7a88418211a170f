// The lineage drawn by Cytoscape.js, at the places that the builder of the site gave everything.
import cytoscape from "../libraries/cytoscape.mjs";

const RADIUS = 5;
const SIZE = 13;

/** A colour of the style sheet, as the page has it now. */
function colour(name) {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Control points of a curve through the corners of an edge, as Cytoscape.js wants them: along the line between the
 * ends, and across it. Between two columns the curve is like an S, within one it is level. */
function controls(route) {
  const points = [];
  for (let index = 0; index < route.length; index += 2) points.push([route[index], route[index + 1]]);
  const [start, end] = [points[0], points.at(-1)];
  const apart = (one, other) => one[0] !== other[0] || one[1] !== other[1];
  const bends = points
    .slice(1)
    .flatMap(([toX, toY], index) => {
      const [x, y] = points[index];
      return y === toY ? [] : [[x, y], [x + 0.35 * (toX - x), y], [toX - 0.35 * (toX - x), toY], [toX, toY]];
    })
    .filter((point) => apart(point, start) && apart(point, end)); // which Cytoscape.js could not draw
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]];
  const length = Math.hypot(dx, dy);
  const along = bends.map(([x, y]) => ((x - start[0]) * dx + (y - start[1]) * dy) / length ** 2);
  const across = bends.map(([x, y]) => ((y - start[1]) * dx - (x - start[0]) * dy) / length);
  return { start, end, along, across };
}

function elements(graph) {
  const centre = (number) => [graph.nodes[number].x + RADIUS, graph.nodes[number].y];
  const offset = ([x, y], [fromX, fromY]) => `${x - fromX}px ${y - fromY}px`;
  const nodes = graph.nodes.map((node, number) => ({
    data: { id: `n${number}`, number, label: node.label },
    classes: `work topic-${node.mark}${node.outside ? " outside" : ""}`,
    position: { x: node.x + RADIUS, y: node.y },
  }));
  const edges = graph.edges.map((edge, number) => {
    const { start, end, along, across } = controls(edge.route);
    return {
      data: {
        id: `e${number}`,
        source: `n${edge.source}`,
        target: `n${edge.target}`,
        from: offset(start, centre(edge.source)),
        to: offset(end, centre(edge.target)),
        along,
        across,
      },
      classes: `${edge.relation} ${along.length ? "bent" : "straight"}`,
    };
  });
  return [...nodes, ...edges];
}

function style(graph) {
  const text = colour("--md-typeset-color");
  const paper = colour("--md-default-bg-color");
  const accent = colour("--md-accent-fg-color");
  return [
    {
      selector: "node",
      style: {
        width: 2 * RADIUS,
        height: 2 * RADIUS,
        label: "data(label)",
        color: text,
        "font-family": getComputedStyle(document.body).fontFamily,
        "font-size": SIZE,
        "min-zoomed-font-size": 7,
        "text-halign": "right",
        "text-valign": "center",
        "text-margin-x": 4,
        "text-events": "yes",
        "border-width": 1,
        "overlay-opacity": 0,
      },
    },
    ...graph.marks.map((corners, mark) => ({
      selector: `.topic-${mark}`,
      style: {
        "background-color": colour(`--topic-${mark}`),
        "border-color": colour(`--topic-${mark}`),
        ...(corners.length ? { shape: "polygon", "shape-polygon-points": corners.join(" ") } : { shape: "ellipse" }),
      },
    })),
    { selector: ".outside", style: { "background-color": paper, "font-style": "italic" } },
    {
      selector: "edge",
      style: { width: 1.2, events: "no", "source-endpoint": "data(from)", "target-endpoint": "data(to)", "z-index": 1 },
    },
    {
      selector: ".bent",
      style: {
        "curve-style": "unbundled-bezier",
        "edge-distances": "endpoints",
        "control-point-weights": (edge) => edge.data("along"),
        "control-point-distances": (edge) => edge.data("across"),
      },
    },
    { selector: ".straight", style: { "curve-style": "straight" } },
    ...Object.entries(graph.relations).map(([relation, { descent, dashes }]) => ({
      selector: `.${relation}`,
      style: {
        "line-color": colour(descent ? "--descent" : "--other-relation"),
        ...(dashes.length ? { "line-style": "dashed", "line-dash-pattern": dashes } : {}),
      },
    })),
    { selector: ".hidden", style: { display: "none" } },
    { selector: ".dim", style: { opacity: 0.12 } },
    { selector: "edge.lit", style: { width: 1.8, "line-color": text, "z-index": 2 } },
    { selector: "node.large", style: { "z-index": 3 } },
    { selector: ".chosen", style: { color: accent, "font-weight": "bold", "border-color": accent, "border-width": 3 } },
  ];
}

/** Draws a graph into an element; `onSelect` is given a work's number or null, `onPoint` a number, or null, and where. */
export function draw(container, graph, { onSelect, onPoint, onMove }) {
  const cy = cytoscape({
    container,
    elements: elements(graph),
    style: style(graph),
    layout: { name: "preset", fit: false },
    minZoom: 0.1,
    maxZoom: 4,
    autoungrabify: true,
    autounselectify: true,
    boxSelectionEnabled: false,
  });
  const nodes = graph.nodes.map((_, number) => cy.getElementById(`n${number}`));
  const edges = new Map(graph.edges.map((edge, number) => [edge, cy.getElementById(`e${number}`)]));
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // The works on which most build keep a legible name however small the picture is.
  const weight = (node) => node.outgoers("node").length;
  const large = cy.collection([...nodes].sort((one, other) => weight(other) - weight(one)).slice(0, 12));
  large.addClass("large");
  let asked = 0;
  const moved = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      large.style("font-size", Math.max(SIZE, 10 / cy.zoom()));
      onMove(cy.zoom(), cy.pan());
    });
  };
  cy.on("viewport", moved);

  cy.on("tap", (event) => onSelect(event.target === cy ? null : event.target.data("number")));
  cy.on("mouseover", "node", (event) => onPoint(event.target.data("number"), event.target.renderedPosition()));
  cy.on("mouseout viewport", () => onPoint(null));

  const turnTo = (view) => {
    cy.stop(true, true);
    if (still.matches) cy.viewport(view);
    else cy.animate({ ...view, duration: 200 });
  };
  const centredOn = (x, y, zoom) => ({ zoom, pan: { x: cy.width() / 2 - x * zoom, y: cy.height() / 2 + 10 - y * zoom } });

  return {
    /** The same as the still picture shows, scrolled so far. */
    start(left, top) {
      cy.viewport({ zoom: 1, pan: { x: graph.margin[0] - left, y: graph.margin[1] - top } });
      moved();
    },
    /** All that is shown, or what stands out. */
    fit() {
      const box = cy.nodes(":visible").not(".dim").boundingBox();
      const zoom = Math.min(1.2, (cy.width() - 40) / box.w, (cy.height() - 60) / box.h);
      turnTo(centredOn((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, zoom));
    },
    zoom(factor) {
      const level = Math.min(cy.maxZoom(), Math.max(cy.minZoom(), cy.zoom() * factor));
      const pan = cy.pan();
      const [x, y] = [(cy.width() / 2 - pan.x) / cy.zoom(), (cy.height() / 2 - pan.y) / cy.zoom()];
      turnTo({ zoom: level, pan: { x: cy.width() / 2 - x * level, y: cy.height() / 2 - y * level } });
    },
    /** Shows these works and edges and no others. */
    show(works, shown) {
      cy.batch(() => {
        nodes.forEach((node, number) => node.toggleClass("hidden", !works.has(number)));
        edges.forEach((line, edge) => line.toggleClass("hidden", !shown.has(edge)));
      });
    },
    /** Lets a work and what belongs to it stand out; nothing if it is null. */
    choose(chosen, works, lit) {
      cy.batch(() => {
        nodes.forEach((node, number) => {
          node.toggleClass("chosen", number === chosen);
          node.toggleClass("dim", chosen !== null && number !== chosen && !works.has(number));
        });
        edges.forEach((line, edge) => {
          line.toggleClass("lit", chosen !== null && lit.has(edge));
          line.toggleClass("dim", chosen !== null && !lit.has(edge));
        });
      });
    },
    /** Brings a work into view, if it is not well inside already. */
    reveal(number) {
      const { x, y } = nodes[number].renderedPosition();
      if (cy.zoom() >= 0.6 && x > 60 && x < cy.width() - 160 && y > 50 && y < cy.height() - 60) return;
      const at = nodes[number].position();
      turnTo(centredOn(at.x, at.y, Math.max(cy.zoom(), 0.8)));
    },
    recolour: () => cy.style(style(graph)),
    resize: () => cy.resize(),
  };
}
