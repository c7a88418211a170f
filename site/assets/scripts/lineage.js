// What comes from what, as `repro lineage` answers it.

/**
 * The works that a work comes from, or that come of it.
 *
 * Relations of descent are followed on and on; what another relation reaches is shown and ends its branch.
 *
 * @param graph the site's lineage/graph.json
 * @param start the number of a work
 * @param ancestors whether to look back instead of forward
 * @param all whether to follow every relation
 * @returns {{works: Map<number, {edge: object, distance: number}>, edges: Set<object>}} each work with the edge and the
 *   number of steps by which it is reached, the nearest first; and all edges on the way
 */
export function reach(graph, start, ancestors, all) {
  const near = ancestors ? "target" : "source";
  const far = ancestors ? "source" : "target";
  const rank = (edge) => graph.relations[edge.relation].rank;
  const leaving = graph.nodes.map(() => []);
  for (const edge of graph.edges) leaving[edge[near]].push(edge);
  const edgesOf = (work) => leaving[work].sort((one, other) => rank(one) - rank(other));

  const distance = new Map([[start, 0]]);
  for (const work of distance.keys()) {
    for (const edge of edgesOf(work)) {
      const followed = all || graph.relations[edge.relation].descent;
      if (followed && !distance.has(edge[far])) distance.set(edge[far], distance.get(work) + 1);
    }
  }
  // Works are numbered by age, so that of several ways as short the one by the oldest work is taken.
  const inner = [...distance.keys()].sort((one, other) => one - other);
  const works = new Map();
  const edges = new Set();
  for (const work of inner) {
    for (const edge of edgesOf(work)) {
      edges.add(edge);
      const other = edge[far];
      const steps = distance.get(work) + 1;
      const descent = all || graph.relations[edge.relation].descent;
      if (distance.has(other) && (!descent || steps !== distance.get(other))) continue;
      if (!works.has(other) || steps < works.get(other).distance) works.set(other, { edge, distance: steps });
    }
  }
  return { works: new Map([...works].sort(([one, a], [other, b]) => a.distance - b.distance || one - other)), edges };
}

/** What is compared when somebody looks for a name: letters and digits, without accents. */
export function plain(text) {
  return text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, "");
}

/** The numbers of the works whose name, alias or id contains what is looked for; those that begin with it first. */
export function find(graph, text, most) {
  const wanted = plain(text);
  if (!wanted) return [];
  const place = (node) =>
    Math.min(
      ...[node.name, node.id, ...node.aliases].map((name) => {
        const at = plain(name).indexOf(wanted);
        return at < 0 ? Infinity : at === 0 ? plain(name).length / 1000 : 1 + at;
      }),
    );
  return graph.nodes
    .map((node, number) => [place(node), number])
    .filter(([at]) => at < Infinity)
    .sort(([a, one], [b, other]) => a - b || one - other)
    .slice(0, most)
    .map(([, number]) => number);
}

/** Which works and edges the filters leave. */
export function filtered(graph, { topic, from, to, verdict, outside, relations }) {
  const inside = (node) =>
    (!topic || node.topics.some((one) => one === topic || one.startsWith(`${topic}/`))) &&
    (!verdict || verdict in node.verdicts);
  const inTime = (node) => (!from || node.year >= from) && (!to || node.year <= to);
  const papers = new Set(
    graph.nodes.flatMap((node, number) => (!node.outside && inside(node) && inTime(node) ? [number] : [])),
  );
  const shown = (number) =>
    papers.has(number) || (outside && graph.nodes[number].outside && inTime(graph.nodes[number]));
  const edges = new Set(
    graph.edges.filter((edge) => relations.has(edge.relation) && papers.has(edge.target) && shown(edge.source)),
  );
  // A work outside the catalogue is there for the papers that build on it.
  return { works: new Set([...papers, ...[...edges].map((edge) => edge.source)]), edges };
}
