"""Every format is read by a program that we did not write, and says there what the records say."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import networkx
import pytest
from typer.testing import CliRunner

from catalog import cli
from catalog.formats.export import FORMATS, select, write
from catalog.formats.publication import Kind, Publication, split_name
from catalog.records import Paper

if TYPE_CHECKING:
    from pathlib import Path

    from catalog import Library
    from tests.conftest import Records

AWKWARD = r"""
id: awkward
name: AT&T_Net
title: 'Cost in $ & {braces}: 100 % of a_b^2 ~ #1 with \backslash and "quotes" <i>x</i>'
authors: [Łukasz Kaiser, Pēteris Østergård, Laurens van der Maaten, Plato]
published: 2017-05
venue: Neural Networks 4(2), 251-257
links: {arxiv: "1705.00001", doi: "10.1000/a_b(c)<1>"}
taxonomy: [kernels]
summary: '=1+1 is no formula & $x$ no mathematics.'
builds_on:
  - {paper: resnet, relation: extends, what: 'adds & multiplies "things"'}
"""


@pytest.fixture
def awkward(records: Records) -> Library:
    records.write("awkward.yaml", AWKWARD.lstrip())
    return records.load()


def export(library: Library, to: str, *names: str) -> str:
    return write(library, to, select(library, names), lambda _: {})


def titles(library: Library) -> dict[str, str]:
    return {paper.id: paper.title for paper in library.papers}


# --- BibTeX ----------------------------------------------------------------------------------------------------------


def bibtex(text: str) -> Any:
    from pybtex.database import parse_string

    return parse_string(text, "bibtex").entries


def test_bibtex_of_everything_is_read(library: Library) -> None:
    entries = bibtex(export(library, "bibtex"))
    assert set(entries) == {paper.id for paper in library.papers}
    for paper in library.papers:
        people = entries[paper.id].persons["author"]
        assert [str(person) for person in people] == [split_name(author).inverted for author in paper.authors]


def test_bibtex_means_what_the_record_says(awkward: Library) -> None:
    from pylatexenc.latex2text import LatexNodes2Text

    entry = bibtex(export(awkward, "bibtex", "awkward"))["awkward"]
    assert entry.type == "article"
    assert entry.fields["journal"] == "Neural Networks"
    assert (entry.fields["volume"], entry.fields["number"], entry.fields["pages"]) == ("4", "2", "251--257")
    assert entry.fields["year"] == "2017"
    # A circumflex on nothing is read as the letter that looks like it.
    assert LatexNodes2Text().latex_to_text(entry.fields["title"]).replace("ˆ", "^") == awkward["awkward"].title
    maaten, plato = entry.persons["author"][2:]
    assert (maaten.prelast_names, maaten.last_names) == (["van", "der"], ["Maaten"])
    assert plato.last_names == ["{Plato}"]


# --- RIS -------------------------------------------------------------------------------------------------------------


def test_ris_of_everything_is_read(library: Library) -> None:
    import rispy

    entries = rispy.loads(export(library, "ris"))
    assert {entry["id"]: entry["title"] for entry in entries} == titles(library)
    lenet = next(entry for entry in entries if entry["id"] == "lenet")
    assert lenet["type_of_reference"] == "JOUR"
    assert lenet["authors"][0] == "LeCun, Yann"
    assert (lenet["volume"], lenet["start_page"], lenet["end_page"]) == ("86", "2278", "2324")


def test_ris_means_what_the_record_says(awkward: Library) -> None:
    import rispy

    (entry,) = rispy.loads(export(awkward, "ris", "awkward"))
    assert entry["title"] == awkward["awkward"].title
    assert entry["authors"] == ["Kaiser, Łukasz", "Østergård, Pēteris", "van der Maaten, Laurens", "Plato"]
    assert entry["doi"] == "10.1000/a_b(c)<1>"


# --- CSL-JSON --------------------------------------------------------------------------------------------------------


def cited(library: Library, *names: str) -> dict[str, str]:
    """Each work as a processor of the Citation Style Language prints it in Harvard style."""
    from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
    from citeproc.source.json import CiteProcJSON

    items = json.loads(export(library, "csl-json", *names))
    style = CitationStylesStyle("harvard-cite-them-right", validate=False)
    bibliography = CitationStylesBibliography(style, CiteProcJSON(items), formatter.plain)
    for item in items:
        bibliography.register(Citation([CitationItem(item["id"])]))
    return dict(zip(bibliography.keys, map(str, bibliography.bibliography()), strict=True))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_csl_json_is_printed_by_a_processor(awkward: Library) -> None:
    text = cited(awkward, "awkward")["awkward"]
    assert text.startswith("Kaiser, Ł. et al. (2017) “Cost in $ & {braces}: 100 % of a_b^2")
    assert "Neural Networks, 4(2), pp. 251–257" in text


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_csl_json_of_everything_is_read(library: Library) -> None:
    found = cited(library)
    assert set(found) == {paper.id for paper in library.papers}
    assert found["xception"].startswith("Chollet, F. (2017) “Xception: ")


# --- JSON-LD ---------------------------------------------------------------------------------------------------------


def test_json_ld_expands_to_terms_of_schema_org(library: Library) -> None:
    from pyld import jsonld

    expanded = jsonld.expand(json.loads(export(library, "json-ld", "xception")))
    (article,) = expanded
    assert article["@id"] == "https://doi.org/10.1109/CVPR.2017.195"
    assert article["@type"] == ["https://schema.org/ScholarlyArticle"]
    assert article["https://schema.org/headline"] == [{"@value": library["xception"].title}]
    cited = {work["https://schema.org/name"][0]["@value"] for work in article["https://schema.org/citation"]}
    assert library["inception-v3"].title in cited


def test_json_ld_of_everything_is_a_graph(library: Library) -> None:
    from pyld import jsonld

    quads = jsonld.to_rdf(json.loads(export(library, "json-ld")))["@default"]
    subjects = {quad["subject"]["value"] for quad in quads if quad["predicate"]["value"].endswith("/headline")}
    assert len(subjects) == len(library.papers)


# --- Graphs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["graphml", "gexf"])
def test_graphs_are_read_by_networkx(to: str, awkward: Library) -> None:
    stream = io.BytesIO(export(awkward, to).encode())
    graph = networkx.read_graphml(stream) if to == "graphml" else networkx.read_gexf(stream)
    assert set(graph) == {paper.id for paper in awkward.papers}
    assert graph.nodes["awkward"]["title"] == awkward["awkward"].title
    edges = [data for start, end, data in graph.edges(data=True) if (start, end) == ("awkward", "resnet")]
    assert [(edge["kind"], edge["relation"], edge["what"]) for edge in edges] == [
        ("builds_on", "extends", 'adds & multiplies "things"')
    ]


@pytest.mark.parametrize("to", ["graphml", "gexf"])
def test_graphs_have_every_edge_between_the_works(to: str, library: Library) -> None:
    stream = io.BytesIO(export(library, to, "Inception").encode())
    graph = networkx.read_graphml(stream) if to == "graphml" else networkx.read_gexf(stream)
    members = {paper.id for paper in library.members("inception")}
    assert set(graph) == members
    wanted = sum(step.paper in members for paper in library.members("inception") for step in paper.builds_on)
    assert sum(data["kind"] == "builds_on" for _, _, data in graph.edges(data=True)) == wanted


@pytest.mark.parametrize(("to", "arrow"), [("dot", " -> "), ("mermaid", "| paper_")])
def test_drawings_have_every_arrow(to: str, arrow: str, library: Library) -> None:
    text = export(library, to)
    assert text.count(arrow) == sum(step.paper in library for paper in library.papers for step in paper.builds_on)


# --- Tables ----------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_a_work(library: Library) -> None:
    rows = list(csv.DictReader(io.StringIO(export(library, "csv"))))
    assert {row["id"]: row["title"] for row in rows} == titles(library)
    (xception,) = [row for row in rows if row["id"] == "xception"]
    assert xception["authors"] == "François Chollet"
    assert "inception-v3" in xception["builds_on"].split("; ")
    assert "mobilenet-v1" in xception["led_to"].split("; ")


def test_csv_holds_no_formula(records: Records) -> None:
    records.write("awkward.yaml", AWKWARD.lstrip().replace("'Cost in", "'=HYPERLINK(1) in"))
    (row,) = csv.DictReader(io.StringIO(export(records.load(), "csv", "awkward")))
    assert row["title"].startswith("'=HYPERLINK")


def test_json_holds_the_records(library: Library) -> None:
    document = json.loads(export(library, "json", "xception", "network-in-network"))
    (paper,) = document["papers"]
    assert Paper.model_validate(
        {name: paper[name] for name in Paper.model_fields if name in paper and name != "claims"}
    )
    assert [claim["id"] for claim in paper["claims"]] == [claim.id for claim in library["xception"].claims]
    assert [work["id"] for work in document["external"]] == ["network-in-network"]


def test_model_index_is_read(library: Library, tmp_path: Path) -> None:
    import modelindex

    path = tmp_path / "model-index.yml"
    path.write_text(export(library, "model-index", "lenet", "xception", "resnet"))
    found = modelindex.load(str(path))
    found.build_models_with_collections()
    models = {model.name: model for model in found.models}
    assert "Xception: xception" in models
    assert models["Xception: xception"].metadata.data["Parameters"] == 22_855_952
    assert {collection.name for collection in found.collections} == {"LeNet-5", "Xception", "ResNet"}
    # The papers print "0.790" and "24.52 %".
    for name, metrics in {
        "Xception: xception": {"Top 1 Accuracy": 79.0, "Top 5 Accuracy": 94.5},
        "ResNet: resnet34": {"Top 1 Error": 24.52, "Top 5 Error": 7.46},
    }.items():
        results = [result.data for result in models[name].results]
        assert {metric: value for result in results for metric, value in result["Metrics"].items()} == metrics


# --- What is meant ---------------------------------------------------------------------------------------------------


def test_selection(library: Library) -> None:
    everything = select(library)
    assert [work.published for work in everything] == sorted(work.published for work in library.papers)
    assert {work.id for work in select(library, topic="dilated")} == {
        paper.id for paper in library.papers_on("kernels/dilated")
    }
    lineage = {work.id for work in select(library, of_lineage="Inception-v3")}
    assert {"inception-v3", "xception"} <= lineage
    assert [work.id for work in select(library, ["Xception", "xception"])] == ["xception"]


@pytest.mark.parametrize(
    ("venue", "publication"),
    [
        ("CVPR 2017", Publication(Kind.CONFERENCE, 2017, "CVPR")),
        ("CVPR 2015 (ILSVRC 2014 winner)", Publication(Kind.CONFERENCE, 2015, "CVPR")),
        ("CVPR 2010, 2528-2535", Publication(Kind.CONFERENCE, 2010, "CVPR", pages="2528-2535")),
        ("IEEE TPAMI 2022 (online 2020)", Publication(Kind.JOURNAL, 2022, "IEEE TPAMI")),
        (
            "Journal of Machine Learning Research 15, 1929-1958",
            Publication(Kind.JOURNAL, 2014, "Journal of Machine Learning Research", "15", None, "1929-1958"),
        ),
        (
            "SIAM Review 51(3), pages 455-500",
            Publication(Kind.JOURNAL, 2014, "SIAM Review", "51", "3", "455-500"),
        ),
        ("arXiv preprint (submitted to ICLR 2017)", Publication(Kind.PREPRINT, 2014)),
        (None, Publication(Kind.PREPRINT, 2014)),
        ("PhD thesis, École Polytechnique", Publication(Kind.THESIS, 2014, "PhD thesis")),
    ],
)
def test_venues(venue: str | None, publication: Publication, library: Library) -> None:
    assert (
        Publication.of(library["xception"].model_copy(update={"venue": venue, "published": "2014-05"})) == publication
    )


@pytest.mark.parametrize(
    ("name", "inverted"),
    [
        ("Kaiming He", "He, Kaiming"),
        ("Laurens van der Maaten", "van der Maaten, Laurens"),
        ("Luc Van Gool", "Van Gool, Luc"),
        ("Nando de Freitas", "de Freitas, Nando"),
        ("Plato", "Plato"),
    ],
)
def test_names(name: str, inverted: str) -> None:
    assert split_name(name).inverted == inverted


# --- The command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_or_writes(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli.app, ["export", "bibtex", "Xception"])
    assert printed.exit_code == 0
    assert printed.stdout.startswith("@inproceedings{xception,")
    file = tmp_path / "one.bib"
    written = CliRunner().invoke(cli.app, ["export", "bibtex", "Xception", "--output", str(file)])
    assert (written.exit_code, written.stdout) == (0, "")
    assert file.read_text() == printed.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["endnote"], "endnote"),
        (["bibtex", "xceptoin"], "did you mean"),
        (["bibtex", "--topic", "nothing-of-the-kind"], "nothing-of-the-kind"),
        (["bibtex", "--output", "/nowhere/to/be/found.bib"], "cannot be written: No such file or directory"),
    ],
)
def test_bad_input_is_one_error(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(cli.app, ["export", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_the_command_offers_every_format() -> None:
    assert tuple(cli.Export) == FORMATS
