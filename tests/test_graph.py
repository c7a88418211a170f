"""Lineage, on a family tree small enough to check by hand, and on the real one."""

from __future__ import annotations

import json
import random
from itertools import combinations, pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import networkx
import pytest

from catalog.errors import CatalogError
from catalog.graph import Lineage, Path, Step, citation_graph, common, influence, lineage, path
from catalog.names import UnknownName
from catalog.outline import Edge
from catalog.relations import Relation

if TYPE_CHECKING:
    from catalog import Library
    from catalog.outline import Outline
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


# --- Paths -----------------------------------------------------------------------------------------------------------


def way(found: Path) -> str:
    """``a > b extends > c applies``."""
    return " > ".join(" ".join([point.id, *(link.relation for link in point.links)]) for point in found)


def test_a_path_says_what_changed_at_every_step(records: Records) -> None:
    found = path(grow(records, TREE), "a", "f")
    assert (found.direction, found.all_relations, found.count, found.common) == ("forward", False, 1, None)
    assert [way(one) for one in found.paths] == ["a > b extends > f compresses"]
    assert found.paths[0][2].links[0].what == "f compresses b"
    assert found.paths[0][0].links == ()


def test_a_path_by_descent_goes_before_a_shorter_one_by_another_relation(records: Records) -> None:
    edges = {"a": [], "b": [("a", "extends")], "c": [("b", "extends"), ("a", "applies")], "d": [("c", "combines")]}
    library = grow(records, edges)
    assert way(path(library, "a", "c").paths[0]) == "a > b extends > c extends"
    direct = path(library, "a", "c", all_relations=True)
    assert (way(direct.paths[0]), direct.all_relations) == ("a > c applies", True)
    # Where descent does not lead there, any relation counts, and the answer says so.
    found = path(library, "a", "d")
    assert (way(found.paths[0]), found.all_relations) == ("a > c applies > d combines", True)


def test_of_paths_that_are_as_short_that_by_the_strongest_relations_goes_first(records: Records) -> None:
    library = grow(
        records,
        {
            "a": [],
            "b": [("a", "compresses")],
            "c": [("a", "extends")],
            "d": [("a", "extends")],
            "e": [("b", "extends"), ("d", "extends"), ("c", "extends")],
        },
    )
    found = path(library, "a", "e")
    assert (way(found.paths[0]), len(found.paths), found.count) == ("a > c extends > e extends", 1, 3)
    assert [one[1].id for one in path(library, "a", "e", limit=2).paths] == ["c", "d"]
    assert [one[1].id for one in path(library, "a", "e", limit=100).paths] == ["c", "d", "b"]


def test_of_several_relations_to_a_work_the_strongest_counts(records: Records) -> None:
    edges = {"a": [], "b": [("a", "simplifies")], "c": [("a", "extends"), ("a", "compresses")]}
    library = grow(records, edges | {"d": [("b", "extends"), ("c", "extends")]})
    assert [one[1].id for one in path(library, "a", "d", limit=2).paths] == ["c", "b"]


def test_of_members_of_a_family_that_are_as_near_the_best_way_starts(records: Records) -> None:
    edges = {"a": [], "b": [], "c": [("a", "compresses"), ("b", "extends")]}
    library = grow(records, edges, families={"a": "clan", "b": "clan"})
    assert [one[0].id for one in path(library, "clan", "c", limit=2).paths] == ["b", "a"]


def test_a_step_names_every_relation_to_the_work_before_it(records: Records) -> None:
    library = grow(records, {"a": [], "b": [("a", "applies"), ("a", "extends")]})
    found = path(library, "a", "b")
    assert (found.count, found.all_relations) == (1, False)
    assert way(found.paths[0]) == "a > b extends applies"


def test_the_other_way_round(records: Records) -> None:
    found = path(grow(records, TREE), "f", "a")
    assert (found.start, found.goal, found.direction) == (("f",), ("a",), "backward")
    assert way(found.paths[0]) == "a > b extends > f compresses"


def test_where_neither_led_to_the_other_common_ancestors_are_shown(records: Records) -> None:
    found = path(grow(records, TREE), "f", "e")
    assert (found.direction, found.count, found.paths) == (None, 0, ())
    assert found.common
    assert not found.common.all_relations
    assert [ancestor.id for ancestor in found.common.ancestors] == ["b"]
    assert [way(one) for one in found.common.ancestors[0].paths] == ["b > f compresses", "b > e simplifies"]
    assert found.as_dict()["common"]["ancestors"][0]["id"] == "b"


def test_common_ancestors(records: Records) -> None:
    library = grow(records, TREE)
    assert [one.id for one in common(library, ["e", "f"]).ancestors] == ["b"], "a is further off"
    assert [one.id for one in common(library, ["e", "f", "b"]).ancestors] == ["b"], "a work is among its ancestors"
    by_any = common(library, ["d", "f"])
    assert (by_any.all_relations, [one.id for one in by_any.ancestors]) == (True, ["a"])
    assert [way(one) for one in by_any.ancestors[0].paths] == [
        "a > c applies > d extends",
        "a > b extends > f compresses",
    ]
    assert common(library, ["g", "b"]).all_relations, "no descent leads from g"


def test_nothing_in_common(records: Records) -> None:
    found = common(grow(records, {"a": [], "b": [("a", "extends")], "c": []}), ["b", "c"])
    assert (found.all_relations, found.ancestors) == (True, ())


def test_of_common_ancestors_the_nearest_goes_first(records: Records) -> None:
    edges = {"a": [], "b": [], "c": [("a", "extends")], "d": [("c", "extends"), ("b", "extends")]}
    library = grow(records, edges | {"e": [("a", "extends"), ("b", "extends")]})
    assert [one.id for one in common(library, ["d", "e"]).ancestors] == ["b", "a"]


def test_families_count_as_a_whole(records: Records) -> None:
    edges = {
        "a": [],
        "b": [("a", "extends")],
        "c": [("b", "extends")],
        "d": [("c", "extends")],
        "e": [("a", "extends")],
    }
    library = grow(records, edges, families={"b": "clan", "d": "clan"})
    assert way(path(library, "a", "clan").paths[0]) == "a > b extends"
    # A member beside its family is meant against the others.
    found = path(library, "clan", "d")
    assert (found.start, way(found.paths[0])) == (("b",), "b > c extends > d extends")
    assert common(library, ["d", "clan"]).of == (("d",), ("b",))
    assert [one.id for one in common(library, ["clan", "e"]).ancestors] == ["a"]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("a", "Paper A"), "'a' and 'Paper A' are the same"),
        (("a", "a"), "name two different"),
        (("clan", "a", "b"), "all papers of 'clan' are named beside it"),
        (("a", "zz"), "no paper or family is called 'zz'"),
        (("a",), "name two different"),
    ],
)
def test_what_can_have_nothing_in_common(records: Records, names: tuple[str, ...], says: str) -> None:
    library = grow(records, {"a": [], "b": []}, families={"a": "clan", "b": "clan"})
    with pytest.raises(CatalogError, match=says):
        common(library, names)


def test_works_outside_are_on_paths_too(small: Library) -> None:
    found = path(small, "NiN", "Xception")
    assert way(found.paths[0]) == "network-in-network > inception-v1 extends > inception-v3 extends > xception extends"
    assert [point.external for point in found.paths[0]] == [True, False, False, False]


def only(outlines: list[Outline]) -> Library:
    """As much of a library as paths need."""
    works = SimpleNamespace(outlines={outline.id: outline for outline in outlines}, ids=lambda name: (name,))
    return cast("Library", works)


def test_a_path_of_a_thousand_steps(small: Library) -> None:
    names = [f"p{number:04d}" for number in range(1001)]
    outline = small.outlines["resnet"]
    edges = [(Edge(before, Relation.EXTENDS, "x", None),) for before in names]
    chain = [outline._replace(id=name, builds_on=built) for name, built in zip(names, [(), *edges], strict=False)]
    assert len(path(only(chain), names[0], names[-1]).paths[0]) == 1001


def test_paths_that_are_too_many_to_list_are_counted(small: Library) -> None:
    outline = small.outlines["resnet"]

    def built(stage: int) -> tuple[Edge, ...]:
        return tuple(Edge(f"p{stage - 1:02d}-{one}", Relation.EXTENDS, "x", None) for one in "ab" if stage)

    ladder = [outline._replace(id=f"p{stage:02d}-{one}", builds_on=built(stage)) for stage in range(61) for one in "ab"]
    found = path(only(ladder), "p00-a", "p60-a", limit=3)
    assert (found.count, len(found.paths)) == (2**59, 3)


def _random_catalogue(records: Records, seed: int) -> Library:
    """Works that build on older ones, some on several parts of one, and compare themselves with any others."""
    draw = random.Random(seed)
    grow(records, {"seed": []})
    (records.folder / "seed.yaml").unlink()
    works = [f"w{number:02d}" for number in range(18)]
    outside = set(works[:2]) | {works[7]}
    for number, work in enumerate(works):
        text = f"id: {work}\nname: {work}\ntitle: {work}\nauthors: [A]\npublished: {2000 + number}\n"
        if work in outside:
            records.write(f"external/{work}.yaml", text)
            continue
        edges = {
            (draw.choice(works[:number]), draw.choice([*Relation]), draw.choice(["", ", part: stem", ", part: head"]))
            for _ in range(draw.choice([0, 1, 2, 2, 3, 4]))
        }
        built = "".join(f"  - {{paper: {to}, relation: {how}, what: x{part}}}\n" for to, how, part in sorted(edges))
        others = {draw.choice([other for other in works if other != work]) for _ in range(2)}
        compared = "".join(f"  - {{paper: {other}, what: x}}\n" for other in sorted(others))
        text += "taxonomy: [all]\nsummary: x\n" + (f"builds_on:\n{built}" if built else "")
        text += f"compares_with:\n{compared}" + (f"family: clan{number % 2}\n" if number > 12 else "")
        records.write(f"{work}.yaml", text)
    families = "".join(f"  - {{id: clan{number}, name: clan{number}, summary: x}}\n" for number in range(2))
    records.write("families.yaml", f"families:\n{families}")
    return records.load()


def _networkx_paths(library: Library, old: tuple[str, ...], new: tuple[str, ...], every: bool) -> set[tuple[str, ...]]:
    """All shortest paths from some works to others, as networkx finds them."""
    graph = _derivations(library, every)
    found = [
        tuple(one)
        for a in old
        for b in new
        if a in graph and b in graph and networkx.has_path(graph, a, b)
        for one in networkx.all_shortest_paths(graph, a, b)
    ]
    return {one for one in found if len(one) == min(map(len, found))}


def _derivations(library: Library, every: bool) -> networkx.DiGraph[str]:
    cited = citation_graph(library)
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(cited)
    for younger, older, data in cited.edges(data=True):
        if data["kind"] == "builds_on" and (every or Relation(data["relation"]).is_descent):
            rank = Relation(data["relation"]).rank
            known = graph.get_edge_data(older, younger, {"rank": rank})["rank"]
            graph.add_edge(older, younger, rank=min(rank, known))
    return graph


def _rank(graph: networkx.DiGraph[str], steps: tuple[str, ...]) -> int:
    return sum(graph.edges[edge]["rank"] for edge in pairwise(steps))


@pytest.mark.parametrize("seed", range(6))
def test_paths_are_those_of_networkx(records: Records, seed: int) -> None:
    library = _random_catalogue(records, seed)
    assert any(len({edge.paper for edge in o.builds_on}) < len(o.builds_on) for o in library.outlines.values()), "parts"
    assert not networkx.is_directed_acyclic_graph(citation_graph(library)), "comparisons"
    kinds = set()
    for start, goal in combinations([*library.outlines, *library.family_names], 2):
        try:
            found = path(library, start, goal, limit=1000)
        except CatalogError:
            continue
        tries = [("forward", found.start, found.goal, every) for every in (False, True)]
        tries += [("backward", found.goal, found.start, every) for every in (False, True)]
        wanted = ((*one, _networkx_paths(library, one[1], one[2], one[3])) for one in tries)
        direction, _, _, every, expected = next((one for one in wanted if one[-1]), (None, (), (), True, set()))
        assert found.direction == direction, (start, goal)
        ours = [tuple(point.id for point in one) for one in found.paths]
        assert set(ours) == expected
        assert len(ours) == len(expected) == found.count
        if ours:
            assert found.all_relations == every
            graph = _derivations(library, every)
            assert _rank(graph, ours[0]) == min(_rank(graph, one) for one in expected)
        kinds.add((direction, every))
    assert kinds == {("forward", False), ("forward", True), ("backward", False), ("backward", True), (None, True)}


@pytest.mark.parametrize("seed", range(6))
def test_common_ancestors_are_those_of_networkx(records: Records, seed: int) -> None:
    library = _random_catalogue(records, seed)
    draw = random.Random(seed)
    known = [*library.outlines, *library.family_names]
    graphs = {every: _derivations(library, every) for every in (False, True)}
    for _ in range(150):
        try:
            found = common(library, draw.sample(known, draw.choice([2, 2, 3])), all_relations=draw.random() < 0.3)
        except CatalogError:
            continue
        graph = graphs[found.all_relations]
        before = [{a for work in works for a in networkx.ancestors(graph, work)} | set(works) for works in found.of]
        shared = set.intersection(*before)
        nearest = {one for one in shared if not networkx.descendants(graph, one) & shared}
        assert {one.id for one in found.ancestors} == nearest
        for ancestor in found.ancestors:
            for works, one in zip(found.of, ancestor.paths, strict=True):
                steps = tuple(point.id for point in one)
                assert steps[0] == ancestor.id
                assert steps[-1] in works
                distances = networkx.single_source_shortest_path_length(graph, ancestor.id)
                assert len(steps) - 1 == min(distances[work] for work in works if work in distances)
                assert all(graph.has_edge(*edge) for edge in pairwise(steps))


# --- Influence -------------------------------------------------------------------------------------------------------


def test_influence(records: Records) -> None:
    found = influence(grow(records, TREE), ["h", "a", "b", "e"])
    assert [(one.id, one.directly, one.in_all) for one in found] == [("a", 3, 5), ("b", 2, 3), ("e", 1, 1), ("h", 0, 0)]


def test_what_builds_on_a_work_directly_decides_its_place(records: Records) -> None:
    edges = {"a": [], "b": [("a", "extends")], "c": [("b", "extends")], "d": [("b", "applies")]}
    found = influence(grow(records, edges), ["a", "b"])
    assert [(one.id, one.directly, one.in_all) for one in found] == [("b", 2, 2), ("a", 1, 3)]


def test_influence_in_all_is_what_lineage_shows(library: Library) -> None:
    for one in influence(library, list(library.outlines)[::7]):
        assert one.in_all == len(lineage(library, [one.id]).papers) - 1
        assert one.directly == len({o.id for o in library.outlines.values() for e in o.builds_on if e.paper == one.id})


# --- For networkx ----------------------------------------------------------------------------------------------------


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
    graph = citation_graph(library)
    text = "\n".join(networkx.generate_graphml(graph))
    assert networkx.parse_graphml(text, force_multigraph=True).number_of_edges() == graph.number_of_edges()
