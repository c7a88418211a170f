"""What the site says to programs: JSON, feed, sitemap, and the heads of pages, read by parsers that are not ours."""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import jsonschema
import networkx
import pyld.jsonld
import pytest
from typer.testing import CliRunner

from catalog import Library, paths
from catalog.cli import app
from catalog.errors import CatalogError
from catalog.records import Status
from catalog.verify.ledger import Ledger
from catalog.verify.runner import ClaimReport, PaperReport
from catalog.website import api, build, feed, pages, published

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Records

SITE = "https://example.org/repro/"
ATOM = {"": "http://www.w3.org/2005/Atom", "x": "http://www.w3.org/1999/xhtml"}


@pytest.fixture(autouse=True)
def _published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.SITE_URL_VARIABLE, SITE)


@pytest.fixture(scope="module")
def files(library: Library) -> dict[str, bytes]:
    """The docs folder of the project's own records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.SITE_URL_VARIABLE, SITE)
        return pages.files(library)


@pytest.fixture(scope="module")
def documents(files: dict[str, bytes]) -> dict[str, Any]:
    return {name: json.loads(content) for name, content in files.items() if re.fullmatch(r"api/.*\.json", name)}


def place(address: str) -> str:
    """The file of the docs folder that an absolute address leads to."""
    assert address.startswith(SITE)
    path = address.removeprefix(SITE).partition("#")[0]
    return f"{path}index.md" if not path or path.endswith("/") else path


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_every_document_is_as_the_schema_says(documents: dict[str, Any]) -> None:
    schema = documents["api/schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    kinds = {"api/index.json": "Index", "api/graph.json": "Graph"}
    for name, document in documents.items():
        if name != api.SCHEMA:
            one = schema | {"$ref": f"#/$defs/{kinds.get(name, 'PaperDocument')}"}
            jsonschema.Draft202012Validator(one).validate(document)
    broken = documents["api/papers/xception.json"] | {"page": None}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(broken)


def test_every_field_is_named_and_the_ones_that_need_it_are_explained(documents: dict[str, Any]) -> None:
    for kind in ("Index", "Graph", "PaperDocument", "JudgedClaim", "Result", "Counts", "Node", "Edge"):
        model = documents["api/schema.json"]["$defs"][kind]
        assert model["description"]
        assert model["additionalProperties"] is False


def test_a_document_holds_the_record_and_what_is_known(documents: dict[str, Any], library: Library) -> None:
    for paper in library.papers:
        document = documents[f"api/papers/{paper.id}.json"]
        record = paper.model_dump(mode="json", exclude_none=True)
        claims = record.pop("claims")
        assert {name: document[name] for name in record} == record
        for said, claim in zip(document["claims"], claims, strict=True):
            assert {name: said[name] for name in claim} == claim
        named = {edge["paper"] for field in ("builds_on", "compares_with", "led_to") for edge in document[field]}
        assert set(document["works"]) == named | {comment["source"] for comment in document["comments"]}
        assert document["citation"]["bibtex"].startswith("@")
        assert document["citation"]["csl"]["title"] == paper.title


def test_what_was_measured_is_in_it(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "xception.yaml").write_text("paper: xception\nentries: []\n")
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "results")
    library = records.load()
    paper = library["xception"]
    measured = ClaimReport(paper.claims[0], Status.VERIFIED, "as printed", 22855952, 0.1)
    Ledger.load("xception").record(PaperReport(paper, (measured,)), device="an abacus")

    def claim(changed: Library) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(pages.files(changed)["api/papers/xception.json"])["claims"][0]
        return found

    now = claim(library)
    assert (now["status"], now["page"]) == ("verified", f"{SITE}papers/xception/#claim-parameters")
    (result,) = now["results"]
    assert (result["measured"], result["device"], result["environment"]) == (22855952, "an abacus", "cpu")
    assert result["stale"] is False
    assert "torch" in result["versions"]
    records.change("xception.yaml", "expect: {equals: 22855952}", "expect: {at_least: 22855952}")
    assert claim(records.load())["results"][0]["stale"] is True


def test_the_index_lists_what_there_is(documents: dict[str, Any], library: Library) -> None:
    index = documents["api/index.json"]
    assert index["counts"]["papers"] == len(library) == len(index["papers"])
    assert index["counts"]["claims"] == sum(len(paper.claims) for paper in library.papers)
    assert sum(index["verdicts"].values()) == index["counts"]["claims"]
    totals = sum((Counter(paper["verdicts"]) for paper in index["papers"]), Counter())
    assert totals == index["verdicts"]
    for paper in index["papers"]:
        own = Counter(claim["status"] for claim in documents[place(paper["data"])]["claims"])
        assert own == paper["verdicts"]
        assert paper["verified"] == own["verified"]


def test_every_address_leads_somewhere(documents: dict[str, Any], files: dict[str, bytes]) -> None:
    def addresses(value: Any) -> Iterator[str]:
        if isinstance(value, dict | list):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from addresses(inner)
        elif isinstance(value, str) and value.startswith(SITE):
            yield value

    found = {address for document in documents.values() for address in addresses(document)}
    assert len(found) > 1000
    assert {address for address in found if place(address) not in files} == set()
    for name, document in documents.items():
        for claim in document.get("claims", ()) if name.startswith("api/papers/") else ():
            text = files[place(claim["page"])].decode()
            assert f"#{claim['page'].partition('#')[2]} " in text, claim["page"]


def test_the_graph_is_that_of_the_catalogue(documents: dict[str, Any], library: Library) -> None:
    document = documents["api/graph.json"]
    graph = networkx.node_link_graph(document, edges="edges")
    assert set(graph) == set(library.outlines)
    lineage = Counter((edge["source"], edge["target"]) for edge in document["edges"] if edge["kind"] == "builds_on")
    assert lineage == Counter((paper.id, step.paper) for paper in library.papers for step in paper.builds_on)
    assert all("relation" in edge and "what" in edge for edge in document["edges"] if edge["kind"] == "builds_on")
    assert graph.nodes["xception"]["topics"] == library["xception"].taxonomy


# --- The feed and the sitemap ----------------------------------------------------------------------------------------


def test_the_feed_is_atom(files: dict[str, bytes]) -> None:
    root = ElementTree.fromstring(files[feed.FILE])
    assert root.tag == "{http://www.w3.org/2005/Atom}feed"
    entries = root.findall("entry", ATOM)
    assert len(entries) == feed.LONGEST
    for element in (root, *entries):  # RFC 4287, 4.1.1 and 4.1.2
        assert [len(element.findall(name, ATOM)) for name in ("id", "title", "updated")] == [1, 1, 1]
        instant = element.findtext("updated", "", ATOM)
        assert datetime.datetime.fromisoformat(instant).tzinfo is not None
    assert root.findtext("author/name", "", ATOM)
    (own,) = (link.get("href") for link in root.findall("link", ATOM) if link.get("rel") == "self")
    assert own == f"{SITE}feed.xml"
    ids = [entry.findtext("id", "", ATOM) for entry in entries]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"tag:example\.org,20\d\d-\d\d-\d\d:/repro/papers/[a-z0-9-]+", one) for one in ids)
    dates = [entry.findtext("updated", "", ATOM) for entry in entries]
    assert dates == sorted(dates, reverse=True)
    assert root.findtext("updated", "", ATOM) == dates[0]
    for link in root.iterfind(".//x:a", ATOM):
        assert place(link.get("href", "")) in files


def test_an_entry_says_what_came_out(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "results")
    (tmp_path / "results" / "xception.yaml").write_text(
        "paper: xception\nentries:\n"
        + "".join(
            f"  - {{claim: {claim}, environment: cpu, status: verified, reason: as printed, date: '{date}', "
            "seconds: 1.0, versions: {torch: '2'}, device: x, fingerprints: {code: a, claim: b}}\n"
            for claim, date in (("parameters", "2026-02-03"), ("gone", "2026-02-04"))
        )
    )
    made = pages.files(records.load())[feed.FILE]
    (entry,) = [
        entry
        for entry in ElementTree.fromstring(made).findall("entry", ATOM)
        if "Xception" in "".join(entry.itertext())
    ]
    assert entry.findtext("title", "", ATOM) == "Xception: 1 verified"
    assert entry.findtext("updated", "", ATOM) == "2026-02-03T00:00:00Z"
    link = entry.find(".//x:a", ATOM)
    assert link is not None
    assert (link.get("href"), link.text) == (
        f"{SITE}papers/xception/#claim-parameters",
        "it has 22.86 million parameters",
    )


def test_a_feed_of_nothing_is_valid_too(small: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "results_folders", tuple)
    root = ElementTree.fromstring(pages.files(small)[feed.FILE])
    assert root.findall("entry", ATOM) == []
    assert root.findtext("updated", "", ATOM) == "1970-01-01T00:00:00Z"


def test_the_sitemap_names_every_page_and_no_date(small: Library, tmp_path: Path) -> None:
    site = build(small, tmp_path / "build")
    text = (site / "sitemap.xml").read_text()
    assert text.startswith("<?xml")
    named = {element.text for element in ElementTree.fromstring(text).iter() if element.tag.endswith("}loc")}
    built = {path.relative_to(site).parent.as_posix() for path in site.rglob("index.html")}
    assert named == {SITE if name == "." else f"{SITE}{name}/" for name in built}
    assert "lastmod" not in text
    assert f"Sitemap: {SITE}sitemap.xml" in (site / "robots.txt").read_text()


# --- Heads of pages --------------------------------------------------------------------------------------------------


class _Head(HTMLParser):
    """What a reader of heads finds: metas by name, links by relation, and JSON-LD."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.metas: dict[str, list[str]] = {}
        self.links: dict[str, list[dict[str, str | None]]] = {}
        self.data: list[Any] = []
        self._script: str | None = None
        self.feed(source[: source.index("</head>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "meta" and (name := found.get("name") or found.get("property")):
            self.metas.setdefault(name, []).append(found["content"] or "")
        elif tag == "link":
            self.links.setdefault(found["rel"] or "", []).append(found)
        elif tag == "script" and found.get("type") == "application/ld+json":
            self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._script += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._script is not None:
            self.data.append(json.loads(self._script))
            self._script = None


@pytest.fixture
def head(records: Records) -> Iterator[Any]:
    built: list[Path] = []

    def read(name: str) -> _Head:
        if not built:
            built.append(build(records.load(), records.folder.parent / "build"))
        return _Head((built[0] / name / "index.html").read_text(encoding="utf-8"))

    return read


def test_a_reference_manager_reads_the_paper(head: Any, records: Records) -> None:
    records.change(
        "xception.yaml",
        'links: {arxiv: "1610.02357"}',
        'venue: CVPR 2017\nlinks: {arxiv: "1610.02357", doi: 10.1109/CVPR.1}',
    )
    records.change(
        "inception-v1.yaml",
        "links: {arxiv",
        "venue: Neural Networks 4(2), 251-257\nlinks: {pdf: https://a.org/1.pdf, arxiv",
    )
    found = head("papers/xception").metas
    assert found["citation_title"] == ["Xception: Deep Learning with Depthwise Separable Convolutions"]
    assert found["citation_author"] == ["François Chollet"]
    assert found["citation_publication_date"] == ["2017"]
    assert found["citation_online_date"] == ["2016/10/07"]
    assert found["citation_conference_title"] == ["CVPR"]
    assert found["citation_doi"] == ["10.1109/CVPR.1"]
    assert found["citation_arxiv_id"] == ["1610.02357"]
    assert found["citation_pdf_url"] == ["https://arxiv.org/pdf/1610.02357"]
    assert found["citation_abstract_html_url"] == ["https://doi.org/10.1109/CVPR.1"]
    assert "citation_journal_title" not in found
    assert "z:itemType" not in found

    found = head("papers/inception-v1").metas
    assert found["citation_author"] == ["Christian Szegedy", "Wei Liu"]
    assert found["citation_journal_title"] == ["Neural Networks"]
    assert [found[f"citation_{part}"] for part in ("volume", "issue", "firstpage", "lastpage")] == [
        ["4"],
        ["2"],
        ["251"],
        ["257"],
    ]
    assert found["citation_publication_date"] == ["2014/09/17"]
    assert found["citation_pdf_url"] == ["https://a.org/1.pdf"]

    found = head("papers/resnet").metas
    assert found["z:itemType"] == ["preprint"]
    assert [name for name in head("topics/kernels").metas if name.startswith("citation_")] == []


def test_linked_data_read_the_paper(head: Any) -> None:
    (data,) = head("papers/xception").data
    (article,) = pyld.jsonld.expand(data)
    schema = "https://schema.org/"
    assert article["@id"] == "https://arxiv.org/abs/1610.02357"
    assert article["@type"] == [f"{schema}ScholarlyArticle"]
    assert article[f"{schema}headline"] == [{"@value": "Xception: Deep Learning with Depthwise Separable Convolutions"}]
    assert article[f"{schema}mainEntityOfPage"] == [{"@value": f"{SITE}papers/xception/"}]


def test_previews_and_search_results(head: Any) -> None:
    for name, kind, title, description in (
        ("papers/xception", "article", "Xception", "Depthwise separable convolutions."),
        ("families/residual-family", "website", "ResNets family", "Blocks with shortcuts."),
        (
            "topics/kernels",
            "website",
            "Convolutional Kernels",
            "Convolutional Kernels: 2 papers, Xception and MobileNet.",
        ),
        ("papers", "website", "Papers", "All papers by year"),
        ("years/2015", "website", "2015", "The papers of 2015"),
    ):
        found = head(name)
        metas = {tag: values[0] for tag, values in found.metas.items() if len(values) == 1}
        assert metas["og:type"] == kind
        assert metas["og:url"] == f"{SITE}{name}/" == found.links["canonical"][0]["href"]
        assert metas["og:title"] == title
        assert metas["og:description"] == metas["description"]
        assert metas["description"].startswith(description)
        (alternate,) = found.links["alternate"]
        assert alternate["type"] == "application/atom+xml"
        assert alternate["href"] == "../" * (name.count("/") + 1) + "feed.xml"


def test_every_page_has_a_description_of_its_own(small: Library, tmp_path: Path) -> None:
    site = build(small, tmp_path / "build")
    found = Counter(
        _Head(path.read_text(encoding="utf-8")).metas["description"][0] for path in site.rglob("index.html")
    )
    assert [text for text, count in found.items() if count > 1] == []


def test_nothing_ends_a_head_too_early(head: Any, records: Records) -> None:
    hostile = "</script></title><script>alert(1)</script>\" onload='x' & \\u003c <!--"
    records.change(
        "resnet.yaml", "title: Deep Residual Learning for Image Recognition", f"title: {json.dumps(hostile)}"
    )
    records.change("resnet.yaml", "summary: Shortcuts.", f"summary: {json.dumps(hostile)}")
    records.change("resnet.yaml", "name: ResNet", f"name: {json.dumps(hostile)}")
    found = head("papers/resnet")
    assert found.metas["citation_title"] == found.metas["description"] == found.metas["og:title"] == [hostile]
    assert found.data[0]["headline"] == found.data[0]["abstract"] == hostile


# --- Where it is published -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "site"),
    [
        ("https://example.org", "https://example.org/"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/"),
        ("https://user.example.org/a/b-c", "https://user.example.org/a/b-c/"),
    ],
)
def test_the_address_of_the_site(said: str, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.SITE_URL_VARIABLE, said)
    assert published.site_url() == site
    assert published.url(site, "index.md") == site
    assert published.url(site, "papers/x/index.md", "claim-y") == f"{site}papers/x/#claim-y"


@pytest.mark.parametrize(
    "said",
    [
        *("", "example.org", "ftp://example.org/", "javascript:alert(1)", "https://", "https:///x", "https://a b/"),
        *("https://example.org/?q", "https://example.org/#a", 'https://example.org/"><script>', "https://x@y.org/"),
    ],
)
def test_what_is_no_address(said: str, small: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.SITE_URL_VARIABLE, said)
    with pytest.raises(CatalogError, match=r"is no address of a site, such as https://example\.org/papers/"):
        build(small, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_the_option_for_the_address(records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.PAPERS_VARIABLE, str(records.folder))
    command = ["site", "build", "--into", str(tmp_path / "build"), "--url"]
    done = CliRunner().invoke(app, [*command, "https://example.com/x"])
    assert done.exit_code == 0, done.output
    assert "https://example.com/x/papers/resnet/" in (tmp_path / "build/site/sitemap.xml").read_text()
    document = json.loads((tmp_path / "build/site/api/index.json").read_bytes())
    assert document["page"] == "https://example.com/x/"
    done = CliRunner().invoke(app, [*command, "file:///x"])
    assert done.exit_code == 2
    assert done.output.startswith("repro: 'file:///x' is no address of a site")
    assert done.output.count("\n") == 1
