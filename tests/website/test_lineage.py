"""Pictures of the lineage: where the layout puts things, and that pictures and data have all that the records have."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog import paths
from catalog.graph import lineage
from catalog.records import Relation
from catalog.website import glyphs
from catalog.website.content import Catalogue, place
from catalog.website.layered import _laid_out, columns_by_year, layered
from catalog.website.libraries import libraries
from catalog.website.lineage import EXPLORER, area, layout
from catalog.website.miniature import NAMED, miniature
from catalog.website.neighbourhood import MOST, neighbourhood
from catalog.website.page import File, Page, served

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from catalog import Library
    from catalog.website.layered import Drawing, Edge
    from tests.conftest import Records

# --- The layout ------------------------------------------------------------------------------------------------------


def drawn(years: dict[str, int], edges: list[Edge], most: int = 8) -> Drawing:
    return layered(columns_by_year(years, edges, most), edges, widths=dict.fromkeys(years, 50.0), pitch=20, lane=4)


def crossings(drawing: Drawing) -> int:
    """How often edges cross, counted naively: every pair of pieces between the same columns."""
    pieces = set()
    for (source, _, kind), route in drawing.routes.items():
        for (x, y), (to_x, to_y) in pairwise(route):
            if to_x - x == 60:  # the gap: within a column an edge is level
                pieces.add((source, kind, x, round(y, 3), round(to_y, 3)))
    found = list(pieces)
    return sum(
        (y - other_y) * (to_y - other_to) < 0
        for index, (_, _, x, y, to_y) in enumerate(found)
        for _, _, other_x, other_y, other_to in found[:index]
        if x == other_x
    )


def test_crossings_that_need_not_be_are_gone() -> None:
    years = {"a": 1, "b": 1, "c": 1, "x": 2, "y": 2, "z": 2, "p": 3, "q": 3, "r": 3}
    edges = [("a", "z", ""), ("b", "y", ""), ("c", "x", ""), ("x", "r", ""), ("y", "q", ""), ("z", "p", "")]
    for seed in range(10):
        mixed = list(years)
        random.Random(seed).shuffle(mixed)
        drawing = drawn({node: years[node] for node in mixed}, edges, most=3)
        assert drawing.crossings == crossings(drawing) == 0
    assert (
        drawn(
            {"a": 1, "b": 1, "x": 2, "y": 2}, [("a", "x", ""), ("a", "y", ""), ("b", "x", ""), ("b", "y", "")], 2
        ).crossings
        == 1
    )


def test_an_edge_over_several_columns_is_straight_and_meets_no_node() -> None:
    drawing = drawn(
        {"a": 1, "b": 2, "c": 3, "d": 4}, [("a", "b", ""), ("b", "c", ""), ("c", "d", ""), ("a", "d", "")], 1
    )
    heights = [y for _, y in drawing.routes["a", "d", ""]]
    assert len(set(heights[2:-1])) == 1
    assert all(abs(heights[2] - drawing.positions[node][1]) >= 12 - 1e-9 for node in "bc")


def test_edges_of_one_kind_share_their_way() -> None:
    years = {"a": 1, "b": 2, "x": 3, "y": 3, "z": 3}
    edges = [("a", "b", ""), ("b", "x", ""), ("a", "x", "one"), ("a", "y", "one"), ("a", "z", "other")]
    routes = drawn(years, edges, 3).routes
    assert routes["a", "x", "one"][:4] == routes["a", "y", "one"][:4]
    assert routes["a", "z", "other"][2:4] != routes["a", "y", "one"][2:4]


def test_what_leads_back_in_time_is_drawn_from_its_source() -> None:
    drawing = drawn({"old": 1, "new": 2}, [("new", "old", "")])
    assert drawing.routes["new", "old", ""][0] == drawing.positions["new"]
    assert drawing.routes["new", "old", ""][-1] == (drawing.positions["old"][0] + 50, drawing.positions["old"][1])


def test_nothing_to_draw() -> None:
    assert (drawn({}, []).width, drawn({}, []).height) == (0, 0)
    assert drawn({"a": 1}, []).positions == {"a": (0, 10)}


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[dict[str, int], list[Edge]]:
    years = draw(st.lists(st.integers(1990, 2000), min_size=1, max_size=25))
    names = {f"n{number}": year for number, year in enumerate(sorted(years))}
    pairs = [(one, other) for one in names for other in names if int(one[1:]) < int(other[1:])]
    edges = draw(st.lists(st.tuples(st.sampled_from(pairs), st.sampled_from("ab")), max_size=40)) if pairs else []
    return names, list(dict.fromkeys((one, other, kind) for (one, other), kind in edges))


@settings(deadline=None, max_examples=100)
@given(_graphs())
def test_what_holds_for_every_drawing(graph: tuple[dict[str, int], list[Edge]]) -> None:
    years, edges = graph
    drawing = drawn(years, edges, most=5)
    holds(drawing, years, edges, dict.fromkeys(years, 50.0), pitch=20, lane=4)
    assert drawing.crossings >= crossings(drawing)  # edges of one kind from one node count once each
    assert drawing == drawn(dict(years), list(edges), most=5)


def holds(
    drawing: Drawing, years: dict[str, int], edges: list[Edge], widths: dict[str, float], *, pitch: float, lane: float
) -> None:
    """Assert that everything is there, years go from left to right, and nothing lies on anything."""
    assert set(drawing.positions) == set(years)
    assert sorted(node for column in drawing.columns for node in column.nodes) == sorted(years)
    for node, (x, y) in drawing.positions.items():
        assert 0 <= x <= x + widths[node] <= drawing.width + 1e-6
        assert pitch / 2 - 1e-6 <= y <= drawing.height - pitch / 2 + 1e-6
    in_time = sorted(years, key=lambda node: (years[node], drawing.positions[node][0]))
    for one, other in pairwise(in_time):
        assert drawing.positions[one][0] <= drawing.positions[other][0]
    for left, right in pairwise(drawing.columns):
        assert left.x + left.width < right.x
    for column in drawing.columns:
        heights = [drawing.positions[node][1] for node in column.nodes]
        assert all(under - over >= pitch - 1e-6 for over, under in pairwise(heights))
    assert set(drawing.routes) == set(edges)
    for (source, target, _), route in drawing.routes.items():
        assert route[0] == (drawing.positions[source][0] + widths[source], drawing.positions[source][1])
        assert route[-1] == drawing.positions[target]
        for (x, y), (to_x, to_y) in pairwise(route):
            assert x <= to_x
            level = [column for column in drawing.columns if x < column.x + column.width and to_x > column.x]
            if level:
                assert y == to_y
            for column in level:
                for node in column.nodes:
                    assert node == source or abs(drawing.positions[node][1] - y) >= (pitch + lane) / 2 - 1e-6


@pytest.fixture(scope="module")
def site(library: Library) -> Catalogue:
    return Catalogue(library)


def test_the_drawing_of_the_catalogue(site: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    laid = layout(site)
    years = {work.id: work.year for work in laid.works.values()}
    widths = {work.id: glyphs.room(work) for work in laid.works.values()}
    holds(laid.drawing, years, list(laid.edges), widths, pitch=24, lane=5)
    monkeypatch.setattr("catalog.website.layered._laid_out", _laid_out.__wrapped__)  # no cache
    assert laid.drawing == layout.__wrapped__(site).drawing
    assert 3 < laid.drawing.width / laid.drawing.height < 6
    monkeypatch.setattr("catalog.website.layered._Graph.order", lambda graph: None)  # by topic alone
    assert laid.drawing.crossings < layout.__wrapped__(site).drawing.crossings / 3


def test_a_thousand_papers_are_laid_out_in_time() -> None:
    import time

    lot = random.Random(7)
    years = {f"p{number}": 1990 + number * 35 // 1500 for number in range(1500)}
    names = list(years)
    edges = list(
        dict.fromkeys(
            (names[max(0, number - 1 - int(lot.expovariate(1 / 150)))], names[number], lot.choice("ab"))
            for number in range(1, 1500)
            for _ in range(2)
        )
    )
    edges = [edge for edge in edges if edge[0] != edge[1]]
    began = time.process_time()
    drawing = layered(columns_by_year(years, edges, 58), edges, widths=dict.fromkeys(years, 100.0))
    assert time.process_time() - began < 8
    assert set(drawing.positions) == set(years)


# --- The explorer ----------------------------------------------------------------------------------------------------


def parts(catalogue: Catalogue) -> tuple[Page, ElementTree.Element, dict[str, Any]]:
    """The explorer's page, its picture, and its data."""
    pages = {part.file if isinstance(part, Page) else part.name: part for part in area(catalogue)}
    explorer, data = pages[EXPLORER], pages["lineage/graph.json"]
    assert isinstance(explorer, Page)
    assert isinstance(data, File)
    return explorer, ElementTree.fromstring(explorer.values["drawing"]), json.loads(data.content)


def expected(site: Catalogue) -> set[Edge]:
    return {(step.paper, paper.id, str(step.relation)) for paper in site.papers for step in paper.builds_on}


def test_the_picture_has_every_work_as_a_link_and_every_relation_as_a_line(site: Catalogue) -> None:
    _, picture, _ = parts(site)
    works = {edge[0] for edge in expected(site)} | {paper.id for paper in site.papers}
    links = {link.get("href"): link for link in picture.iter("a")}
    assert set(links) == {served(EXPLORER, *place(site.library.work(work))) for work in works}
    for work in map(site.library.work, works):
        link = links[served(EXPLORER, *place(work))]
        assert work.name in ("".join(link.itertext()), link.findtext("title"))
    for relation in Relation:
        (group,) = picture.findall(f".//g[@class='relation {relation}']")
        assert len(group) == sum(edge[2] == relation for edge in expected(site))
    assert picture.findtext("title")
    assert str(len(works)) in picture.findtext("desc", "")
    ids = {element.get("id") for element in picture.iter()}
    assert {picture.get("aria-labelledby"), picture.get("aria-describedby")} <= ids


def test_lines_in_the_picture_begin_and_end_at_their_works(site: Catalogue) -> None:
    _, picture, data = parts(site)
    ends = set()
    for relation in Relation:
        for path in picture.findall(f".//g[@class='relation {relation}']/path"):
            numbers = re.findall(r"-?\d+", path.get("d", ""))
            ends.add((relation, *numbers[:2], numbers[-2] if "C" in path.get("d", "").split("H")[-1] else None))
    for edge in data["edges"]:
        start = tuple(str(value) for value in edge["route"][:2])
        assert any(end[0] == edge["relation"] and end[1:3] == start for end in ends)


def test_the_data_have_every_work_and_every_relation(site: Catalogue) -> None:
    _, _, data = parts(site)
    nodes = data["nodes"]
    edges = [(nodes[edge["source"]]["id"], nodes[edge["target"]]["id"], edge["relation"]) for edge in data["edges"]]
    assert len(edges) == len(set(edges))
    assert set(edges) == expected(site)
    assert {node["id"] for node in nodes if not node["outside"]} == {paper.id for paper in site.papers}
    assert [node["published"] for node in nodes] == sorted(node["published"] for node in nodes)
    for edge in data["edges"]:
        source, target = nodes[edge["source"]], nodes[edge["target"]]
        width = glyphs.room(site.library.work(source["id"]))
        assert abs(edge["route"][0] - source["x"] - width) <= 1
        assert edge["route"][1] == source["y"]
        assert edge["route"][-2:] == [target["x"], target["y"]]
        assert edge["what"]
    resnet = next(node for node in nodes if node["id"] == "resnet")
    assert resnet["verdicts"] == site.tally(site.library["resnet"])
    assert resnet["page"] == "../papers/resnet/"


def test_several_parts_of_one_ancestor_are_one_line(records: Records) -> None:
    records.change(
        "xception.yaml",
        "  - {paper: resnet, relation: applies, part: shortcut, what: around every module}",
        "  - {paper: resnet, relation: applies, part: shortcut, what: around every module}\n"
        "  - {paper: resnet, relation: applies, part: depth, what: more of it}",
    )
    _, _, data = parts(Catalogue(records.load()))
    (edge,) = (edge for edge in data["edges"] if edge["relation"] == "applies" and "shortcut" in edge["what"])
    assert edge["what"] == "shortcut: around every module; depth: more of it"


def test_marks_and_dashes_differ_without_colour() -> None:
    assert len(set(glyphs.MARKS)) == len(glyphs.MARKS)
    assert set(glyphs.DASHES) == set(Relation)
    assert len(set(glyphs.DASHES.values())) == len(Relation)
    sheet = (paths.SITE / "styles" / "lineage.css").read_text()
    for relation, dashes in glyphs.DASHES.items():
        written = " ".join(f"{dash:g}" for dash in dashes)
        assert not dashes or f".relation.{relation} {{ stroke-dasharray: {written}; }}" in sheet
    for mark in range(len(glyphs.MARKS)):
        assert sheet.count(f"  --topic-{mark}: #") == 2


def test_large_topics_have_marks_of_their_own(site: Catalogue) -> None:
    marks = glyphs.marks(site)
    assert set(marks) == {topic.id for topic in site.subtopics(None)}
    own = sorted(mark for mark in marks.values() if mark)
    assert own == list(range(1, len(glyphs.MARKS)))
    most = max(marks, key=lambda topic: sum(paper.taxonomy[0].split("/")[0] == topic for paper in site.papers))
    assert marks[most] == 1


def test_without_node_the_page_has_the_picture_and_no_script(
    small: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catalog.website import build, pages
    from catalog.website import lineage as module

    with_script = bool(libraries())
    assert bool(parts(Catalogue(small))[0].scripts) == with_script
    for where in (module, pages):
        monkeypatch.setattr(where, "libraries", dict)
    docs = build(small, tmp_path, render=False)
    shown = (docs / EXPLORER).read_text(encoding="utf-8")
    assert "<svg" in shown
    assert "Xception" in shown
    assert "scripts/explorer.js" not in shown
    for tag in ("<form", "<input", "<select", "<button", "explorer-panel"):
        assert tag not in shown


_COMPARE = """
import {{ readFileSync }} from "node:fs";
import {{ filtered, find, reach }} from "{script}";
const graph = JSON.parse(readFileSync("{data}", "utf8"));
const id = (number) => graph.nodes[number].id;
const said = {{}};
for (const back of [true, false]) for (const all of [true, false]) graph.nodes.forEach((node, number) => {{
  const {{ works }} = reach(graph, number, back, all);
  said[[node.id, back, all]] = [...works].map(([other, {{ edge, distance }}]) =>
    [id(other), distance, id(back ? edge.target : edge.source), edge.relation]);
}});
const relations = new Set(Object.keys(graph.relations));
const every = {{ topic: "", from: 0, to: 0, verdict: "", outside: true, relations }};
const shown = (changes) => [...filtered(graph, {{ ...every, ...changes }}).works].map(id);
console.log(JSON.stringify({{
  said,
  found: ["xcéption", "NIN", "algorithme a trous", "no such work", " "].map((text) => find(graph, text, 3).map(id)),
  every: shown({{}}),
  topic: shown({{ topic: "low-rank", outside: false }}),
  years: shown({{ from: 2015, to: 2016, outside: false }}),
  deviates: shown({{ verdict: "deviates", outside: false }}),
  compresses: filtered(graph, {{ ...every, relations: new Set(["compresses"]) }}).edges.size,
}}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_the_script_answers_as_the_program_does(site: Catalogue, tmp_path: Path) -> None:
    _, _, data = parts(site)
    (tmp_path / "graph.json").write_text(json.dumps(data))
    shutil.copy(paths.SITE / "assets" / "scripts" / "lineage.js", tmp_path / "lineage.mjs")
    (tmp_path / "run.mjs").write_text(_COMPARE.format(script="./lineage.mjs", data=tmp_path / "graph.json"))
    done = subprocess.run(["node", tmp_path / "run.mjs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    for node in data["nodes"]:
        for back in (True, False):
            for every in (True, False):
                key = f"{node['id']},{str(back).lower()},{str(every).lower()}"
                reached = lineage(site.library, [node["id"]], ancestors=back, all_relations=every)
                wanted = {
                    step.id: (step.depth, step.parent, str(step.relation)) for step in reached.papers if step.parent
                }
                assert {work: (depth, parent, how) for work, depth, parent, how in answers["said"][key]} == wanted, key
    assert [found[:1] for found in answers["found"]] == [
        ["xception"],
        ["network-in-network"],
        ["atrous-algorithm"],
        [],
        [],
    ]
    assert set(answers["every"]) == {node["id"] for node in data["nodes"]}
    assert set(answers["topic"]) == {paper.id for paper in site.library.papers_on("low-rank")}
    assert set(answers["years"]) == {paper.id for paper in site.papers if paper.year in (2015, 2016)}
    assert set(answers["deviates"]) == {paper.id for paper in site.papers if "deviates" in site.tally(paper)}
    assert answers["compresses"] == sum(edge[2] == "compresses" for edge in expected(site))


# --- The small pictures ----------------------------------------------------------------------------------------------


def href(file: str, anchor: str = "") -> str:
    return served("papers/x/index.md", file, anchor)


def test_the_neighbourhood_of_a_paper(site: Catalogue) -> None:
    xception = site.library["xception"]
    picture = ElementTree.fromstring(neighbourhood(site, xception, href))
    links = [link.get("href") for link in picture.iter("a")]
    for step in xception.builds_on:
        assert href(*place(site.library.work(step.paper))) in links
    for later, _ in site.led_to["xception"]:
        assert href(*place(later)) in links
    assert href(*place(xception)) not in links
    assert "Xception builds on Inception-v3" in (picture.find(".//svg") or picture).get("aria-label", "")
    (here,) = picture.findall(".//g[@class='here']")
    assert "".join(here.itertext()) == "Xception"


def test_a_neighbourhood_is_bounded_and_says_how_many_are_left_out(site: Catalogue) -> None:
    for paper in site.papers:
        drawing = neighbourhood(site, paper, href)
        if not drawing:
            assert not paper.builds_on
            assert not site.led_to[paper.id]
            continue
        picture = ElementTree.fromstring(drawing)
        works = [link for link in picture.iter("a") if "?" not in link.get("href", "")]
        assert len(works) <= 2 * MOST
        children = {later.id for later, _ in site.led_to[paper.id]}
        others = [link for link in picture.iter("a") if link.get("href") == f"{href(EXPLORER)}?paper={paper.id}"]
        left_out = [len(set(side)) - MOST for side in ({step.paper for step in paper.builds_on}, children)]
        assert ["".join(link.itertext()) for link in others] == [
            f"and {count} other{'s' if count > 1 else ''}" for count in left_out if count > 0
        ]


def test_the_miniature_has_everything_and_names_the_most_influential(site: Catalogue) -> None:
    drawing = miniature(site, lambda file, anchor="": served("index.md", file, anchor))
    assert len(drawing) < 40_000
    picture = ElementTree.fromstring(drawing)
    assert picture.get("href") == "lineage/"
    ways = {path.get("class"): path.get("d", "") for path in picture.iter("path")}
    assert sum(way.count("M") for class_, way in ways.items() if "line" in str(class_)) == len(expected(site))
    assert sum(way.count("M") for class_, way in ways.items() if "dot" in str(class_)) == len(layout(site).works)
    names = [text.text for text in picture.iter("text")]
    assert len(names) == NAMED
    assert "ResNet" in names


def test_a_catalogue_of_one_paper(records: Records) -> None:
    for path in records.folder.glob("*.yaml"):
        if path.stem not in {"resnet", "taxonomy", "families"}:
            path.unlink()
    records.change("taxonomy.yaml", "source: xception", "source: network-in-network")
    tiny = Catalogue(records.load())
    _, picture, data = parts(tiny)
    assert [node["id"] for node in data["nodes"]] == ["resnet"]
    assert len(list(picture.iter("a"))) == 1
    ElementTree.fromstring(miniature(tiny, href))
    assert all(not neighbourhood(tiny, paper, href) for paper in tiny.papers)
