"""Lineage, on a family tree small enough to check by hand, and on the real one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from catalog.graph import Lineage, Step, citation_graph, lineage
from catalog.names import UnknownName

if TYPE_CHECKING:
    from catalog import Library
    from tests.conftest import Records


def grow(records: Records, edges: dict[str, list[tuple[str, str]]], families: dict[str, str] | None = None) -> Library:
    """A catalogue of papers a, b, c …, each a year younger than the one before, with these edges and families."""
    for name in ("inception-v1", "inception-v3", "resnet", "xception", "mobilenet-v1", "external/network-in-network"):
        (records.folder / f"{name}.yaml").unlink()
    records.write("taxonomy.yaml", "topics: [{id: all, name: All}]\n")
    groups = sorted(set((families or {}).values()))
    listed = "".join(f"  - {{id: {group}, name: {group}, summary: x}}\n" for group in groups)
    records.write("families.yaml", f"families:\n{listed}" if groups else "families: []\n")
    for month, (paper, ancestors) in enumerate(edges.items(), 1):
        built = "".join(
            f"  - {{paper: {other}, relation: {how}, what: {paper} {how} {other}}}\n" for other, how in ancestors
        )
        records.write(
            f"{paper}.yaml",
            f"id: {paper}\nname: Paper {paper.upper()}\ntitle: Title {paper}\nauthors: [A]\n"
            f"published: 20{min(month, 99):02d}\ntaxonomy: [all]\nsummary: x\n"
            + (f"family: {families[paper]}\n" if families and paper in families else "")
            + (f"builds_on:\n{built}" if built else ""),
        )
    return records.load()


def tree(found: Lineage) -> list[str]:
    """A line for each work, indented by its depth: ``  b extends``."""
    return ["  " * step.depth + " ".join(filter(None, [step.id, step.relation])) for step in found.papers]


TREE = {
    "a": [],
    "b": [("a", "extends")],
    "c": [("a", "applies")],
    "d": [("c", "extends")],
    "e": [("b", "simplifies"), ("a", "generalizes")],
    "f": [("b", "compresses")],
    "g": [("f", "combines"), ("e", "analyses")],
    "h": [("g", "extends")],
}


def test_descent_is_followed_and_the_rest_are_leaves(records: Records) -> None:
    library = grow(records, TREE)
    assert tree(lineage(library, ["a"])) == [
        "a",
        "  b extends",
        "    f compresses",
        "  c applies",
        "  e generalizes",
        "    g analyses",
    ]


def test_all_relations(records: Records) -> None:
    library = grow(records, TREE)
    assert tree(lineage(library, ["a"], all_relations=True)) == [
        "a",
        "  b extends",
        "    f compresses",
        "  c applies",
        "    d extends",
        "  e generalizes",
        "    g analyses",
        "      h extends",
    ]


def test_a_work_is_shown_once_and_its_other_ways_are_named(records: Records) -> None:
    steps = {step.id: step for step in lineage(grow(records, TREE), ["a"]).papers}
    assert len(steps) == 6
    assert steps["e"].parent == "a"
    assert [(link.parent, link.relation, link.what) for link in steps["e"].also] == [
        ("b", "simplifies", "e simplifies b")
    ]
    assert [link.parent for link in steps["g"].also] == ["f"]
    assert steps["a"].also == ()


@pytest.mark.parametrize(
    ("depth", "shown"),
    [(0, ["a"]), (1, ["a", "  b extends", "  c applies", "  e generalizes"]), (None, None), (99, None)],
)
def test_depth(records: Records, depth: int | None, shown: list[str] | None) -> None:
    library = grow(records, TREE)
    assert tree(lineage(library, ["a"], depth=depth)) == (shown or tree(lineage(library, ["a"])))


def test_ancestors(records: Records) -> None:
    library = grow(records, TREE)
    assert tree(lineage(library, ["g"], ancestors=True)) == ["g", "  e analyses", "  f combines"]
    found = lineage(library, ["f"], ancestors=True)
    assert tree(found) == ["f", "  b compresses", "    a extends"]
    assert found.direction == "ancestors"
    assert found.papers[1].what == "f compresses b"
    assert [step.id for step in lineage(library, ["h"], ancestors=True, all_relations=True).papers] == [
        "h", "g", "e", "a", "b", "f",
    ]  # fmt: skip


def test_descent_goes_before_a_shorter_way_by_another_relation(records: Records) -> None:
    library = grow(
        records,
        {"a": [], "b": [("a", "extends")], "c": [("b", "extends"), ("a", "applies")], "d": [("c", "extends")]},
    )
    found = lineage(library, ["a"])
    assert tree(found) == ["a", "  b extends", "    c extends", "      d extends"]
    assert [(link.parent, link.relation) for link in found.papers[2].also] == [("a", "applies")]
    # Where descent is cut off before it, the other way is all that is left.
    assert tree(lineage(library, ["a"], depth=1)) == ["a", "  b extends", "  c applies"]


def test_of_several_places_under_the_oldest_and_by_the_strongest_relation(records: Records) -> None:
    library = grow(
        records,
        {
            "a": [],
            "c": [("a", "extends")],
            "b": [("a", "extends")],
            "d": [("b", "extends"), ("c", "compresses"), ("c", "simplifies"), ("c", "applies")],
        },
    )
    (step,) = [step for step in lineage(library, ["a"]).papers if step.id == "d"]
    assert (step.parent, step.relation) == ("c", "simplifies")
    assert [(link.parent, link.relation) for link in step.also] == [
        ("c", "compresses"), ("c", "applies"), ("b", "extends"),
    ]  # fmt: skip


def test_a_family_is_its_members(records: Records) -> None:
    library = grow(
        records,
        {
            "a": [],
            "b": [("a", "extends")],
            "c": [("b", "extends")],
            "d": [],
            "e": [("d", "applies"), ("c", "extends")],
        },
        families={"a": "clan", "c": "clan", "d": "clan"},
    )
    found = lineage(library, ["clan"])
    assert found.of == ("a", "c", "d")
    assert tree(found) == ["a", "  b extends", "    c extends", "      e extends", "d"]
    assert [link.parent for link in found.papers[3].also] == ["d"]
    # Steps are counted from the nearest member, so that what builds directly on any of them is one step away.
    assert tree(lineage(library, ["clan"], depth=1)) == ["a", "  b extends", "c", "  e extends", "d"]
    assert tree(lineage(library, ["clan"], depth=0)) == ["a", "c", "d"]
    assert tree(lineage(library, ["clan"], ancestors=True)) == ["c", "  b extends", "    a extends", "d"]


def test_several_names(records: Records) -> None:
    library = grow(records, TREE)
    found = lineage(library, ["f", "Paper C", "f"])
    assert found.of == ("f", "c")
    assert tree(found) == ["c", "  d extends", "f", "  g combines"]


def test_works_outside(small: Library) -> None:
    found = lineage(small, ["xception"], ancestors=True)
    assert tree(found) == [
        "xception", "  inception-v3 extends", "    inception-v1 extends", "      network-in-network extends",
        "  resnet applies",
    ]  # fmt: skip
    assert [step.external for step in found.papers] == [False, False, False, True, False]
    assert tree(lineage(small, ["NiN"]))[:2] == ["network-in-network", "  inception-v1 extends"]


def test_a_name_that_is_none(small: Library) -> None:
    with pytest.raises(UnknownName, match="no paper or family is called 'xceptoin'"):
        lineage(small, ["xceptoin"])


def test_json(small: Library) -> None:
    answer: dict[str, Any] = json.loads(json.dumps(lineage(small, ["Inception"]).as_dict()))
    assert answer["of"] == ["inception-v1", "inception-v3", "xception"]
    assert answer["direction"] == "descendants"
    assert answer["papers"][0] == {
        "id": "inception-v1",
        "name": "GoogLeNet",
        "year": 2014,
        "published": "2014-09-17",
        "depth": 0,
        "parent": None,
        "relation": None,
        "what": None,
        "part": None,
        "external": False,
        "also": [],
    }
    mobilenet = next(paper for paper in answer["papers"] if paper["id"] == "mobilenet-v1")
    assert mobilenet["parent"] == "inception-v3"
    assert mobilenet["relation"] == "simplifies"
    assert mobilenet["also"] == [
        {"parent": "xception", "relation": "applies", "what": "depthwise separable convolutions", "part": None}
    ]


def test_a_line_of_a_thousand_papers(records: Records) -> None:
    names = [f"p{number:04d}" for number in range(1000)]
    long = grow(records, {names[0]: []} | {name: [(before, "extends")] for before, name in pairwise(names)})
    assert lineage(long, [names[0]]).papers[-1].depth == 999


@pytest.mark.parametrize("all_relations", [False, True])
@pytest.mark.parametrize("ancestors", [False, True])
@pytest.mark.parametrize("depth", [None, 1, 2])
def test_every_real_lineage_is_a_tree(
    library: Library, ancestors: bool, all_relations: bool, depth: int | None
) -> None:
    for work in [*library.outlines, *library.family_names]:
        found = lineage(library, [work], ancestors=ancestors, all_relations=all_relations, depth=depth)
        shown: dict[str, Step] = {}
        for step in found.papers:
            assert step.id not in shown, "once"
            shown[step.id] = step
            if step.parent is None:
                assert step.depth == 0
                assert step.id in found.of
            else:
                parent = shown[step.parent]
                assert step.depth == parent.depth + 1
                assert all_relations or parent.relation is None or parent.relation.is_descent, "leaves bear nothing"
        assert set(found.of) <= set(shown)
        assert {link.parent for step in found.papers for link in step.also} <= set(shown)


def test_lineage_of_the_inception_family(library: Library) -> None:
    found = lineage(library, ["inception"])
    ids = {step.id for step in found.papers}
    assert {"inception-v1", "inception-v2", "inception-v3", "inception-v4", "xception"} <= ids
    assert len(ids) < len(library) / 2, "half of the catalogue would answer nothing"


def test_citation_graph(small: Library) -> None:
    graph = citation_graph(small)
    assert set(graph) == {*(paper.id for paper in small), "network-in-network"}
    assert graph.nodes["network-in-network"]["kind"] == "external"
    assert graph.nodes["xception"] == {
        "kind": "paper",
        "name": "Xception",
        "title": "Xception: Deep Learning with Depthwise Separable Convolutions",
        "family": "inception-family",
        "published": "2016-10-07",
        "year": 2016,
    }
    edges = {(source, target, data["kind"]) for source, target, data in graph.edges(data=True)}
    assert ("xception", "inception-v3", "builds_on") in edges
    assert ("xception", "network-in-network", "compares_with") in edges
    assert ("mobilenet-v1", "xception", "comment") in edges
    (shortcut,) = graph.get_edge_data("xception", "resnet").values()
    assert shortcut == {"kind": "builds_on", "relation": "applies", "what": "around every module", "part": "shortcut"}


def test_the_real_graph_can_be_exported(library: Library) -> None:
    import networkx

    graph = citation_graph(library)
    text = "\n".join(networkx.generate_graphml(graph))
    assert networkx.parse_graphml(text, force_multigraph=True).number_of_edges() == graph.number_of_edges()
