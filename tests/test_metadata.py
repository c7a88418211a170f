"""What is made of the answers of arXiv, Crossref and OpenAlex."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from catalog.errors import CatalogError
from catalog.fetch import FetchError, NotThere, Unreachable, Web
from catalog.metadata import Metadata, SeveralPapers, Sources, plain
from tests.answers import ATOM, NOTHING, arxiv, crossref, openalex, sources

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loopback import Server

CONVNEXT = Metadata(
    "A ConvNet for the 2020s",
    ("Zhuang Liu", "Saining Xie"),
    "2022-01-10",
    "CVPR 2022",
    "2201.03545",
    "10.1109/cvpr52688.2022.01167",
)
DOI = "10.1109/cvpr52688.2022.01167"
QUOTED = "/crossref/10.1109%2Fcvpr52688.2022.01167"


@pytest.fixture
def three(web: Web, server: Server) -> Sources:
    return sources(web, server)


@pytest.mark.parametrize("query", ["2201.03545", "https://arxiv.org/abs/2201.03545v2", "10.48550/arXiv.2201.03545"])
def test_a_preprint_is_completed_by_its_publication(three: Sources, server: Server, query: str) -> None:
    server.says("/arxiv", arxiv(), **ATOM)
    server.says("/openalex/doi:10.48550/arXiv.2201.03545", openalex())
    assert three.find(query) == CONVNEXT
    assert server.asked[0] == ("GET", "/arxiv?id_list=2201.03545&max_results=1")
    assert three.notes == []


def test_a_preprint_that_says_where_it_was_published(three: Sources, server: Server) -> None:
    more = f'<arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">{DOI}</arxiv:doi>'
    server.says("/arxiv", arxiv(more=more), **ATOM)
    server.says(QUOTED, crossref())
    assert three.find("2201.03545") == CONVNEXT


def test_a_preprint_alone_is_enough(three: Sources, server: Server) -> None:
    more = '<arxiv:journal_ref xmlns:arxiv="http://arxiv.org/schemas/atom">CVPR 2022</arxiv:journal_ref>'
    server.says("/arxiv", arxiv(more=more), **ATOM)
    found = three.find("2201.03545")
    assert (found.venue, found.doi, found.published) == ("CVPR 2022", None, "2022-01-10")
    assert three.notes == []


def test_a_source_that_fails_is_noted_and_the_others_are_enough(three: Sources, server: Server) -> None:
    server.says("/arxiv", arxiv(), **ATOM)
    server.says("/openalex/doi:10.48550/arXiv.2201.03545", "<html>", Content_Type="text/html")
    assert three.find("2201.03545").arxiv == "2201.03545"
    (note,) = three.notes
    assert "text/html" in note


def test_a_publication_is_completed_by_its_preprint(three: Sources, server: Server) -> None:
    server.says(QUOTED, crossref())
    server.says(f"/openalex/doi:{DOI}", openalex())
    server.says("/arxiv", arxiv(), **ATOM)
    assert three.find(f"https://doi.org/{DOI}") == CONVNEXT


def test_what_crossref_does_not_know_openalex_may(three: Sources, server: Server) -> None:
    server.says(f"/openalex/doi:{DOI}", openalex())
    assert three.find(DOI).venue == "CVPR 2022"


def test_what_nobody_knows(three: Sources, server: Server) -> None:
    server.says("/arxiv", NOTHING, **ATOM)
    server.says("/openalex", {"results": []})
    for query in ("2201.03545", DOI, "A network that is not there"):
        with pytest.raises(NotThere):
            three.find(query)


def test_an_error_of_arxiv_is_no_paper(three: Sources, server: Server) -> None:
    error = arxiv(title="Error").replace(
        "http://arxiv.org/abs/2201.03545v2", "http://arxiv.org/api/errors#incorrect_id"
    )
    server.says("/arxiv", error, **ATOM)
    with pytest.raises(NotThere, match=r"arXiv has no paper 2201\.03545"):
        three.find("2201.03545")


def test_a_title_that_is_that_of_one_paper(three: Sources, server: Server) -> None:
    server.says("/openalex", {"results": [openalex(title="A ConvNet for the 2030s"), openalex()]})
    server.says("/arxiv", arxiv(), **ATOM)
    assert three.find("a convnet for the 2020s") == CONVNEXT
    assert server.asked[0] == ("GET", "/openalex?search=a+convnet+for+the+2020s&per-page=5")


def test_a_title_that_may_be_several_papers(three: Sources, server: Server) -> None:
    others = [openalex(title="ConvNets", doi=None, locations=[]), openalex(title="A ConvNet \x1b[31m for all")]
    server.says("/openalex", {"results": others})
    with pytest.raises(SeveralPapers) as error:
        three.find("A ConvNet")
    assert "2201.03545  A ConvNet" in str(error.value)
    assert "no number  ConvNets (Zhuang Liu and others, 2022)" in str(error.value)
    assert "\x1b" not in str(error.value)
    assert len(error.value.candidates) == 2


def test_two_papers_of_one_title(three: Sources, server: Server) -> None:
    server.says("/openalex", {"results": [openalex(), openalex(doi="https://doi.org/10.1/other", locations=[])]})
    with pytest.raises(SeveralPapers):
        three.find("A ConvNet for the 2020s")


@pytest.mark.parametrize("query", ["", " ", "…", "https://example.org/paper.pdf"])
def test_what_is_no_query(three: Sources, server: Server, query: str) -> None:
    with pytest.raises(CatalogError):
        three.find(query)
    assert server.asked == []


def test_without_a_network(tmp_path: Path) -> None:
    nowhere = Sources(Web(cache=tmp_path, pause=0), "http://no-such-host.invalid/arxiv")
    with pytest.raises(Unreachable):
        nowhere.find("2201.03545")


@pytest.mark.parametrize(
    "body",
    [
        "<feed>",
        "no XML",
        "",
        '<!DOCTYPE feed [<!ENTITY a "aaaa">]>' + arxiv().partition("?>")[2],
        arxiv(title=""),
        arxiv(authors=()),
        arxiv(authors=("",)),
    ],
)
def test_bad_feeds(three: Sources, server: Server, body: str) -> None:
    server.says("/arxiv", body, **ATOM)
    with pytest.raises(FetchError, match="cannot be read"):
        three.find("2201.03545")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        *({"message": message} for message in (None, 1, {})),
        crossref(title=[]),
        crossref(author=None),
        crossref(author=[{}]),
        crossref(**{"published-print": {"date-parts": "x"}}),
    ],
)
def test_bad_items(three: Sources, server: Server, body: Any) -> None:
    server.says(QUOTED, body)
    with pytest.raises(FetchError, match="cannot be read"):
        three.find(DOI)


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": [{"title": "x"}]}, {"results": [1]}])
def test_bad_lists(three: Sources, server: Server, body: Any) -> None:
    server.says("/openalex", body)
    with pytest.raises(FetchError, match="cannot be read"):
        three.find("A title")


@pytest.mark.parametrize(
    ("changes", "venue"),
    [
        ({}, "CVPR 2022"),
        ({"container-title": ["Lecture Notes in Computer Science", "Computer Vision – ECCV 2016"]}, "ECCV 2016"),
        (
            {
                "type": "journal-article",
                "container-title": ["Neural Networks"],
                "volume": "4",
                "issue": "2",
                "page": "251–257",
            },
            "Neural Networks 4(2), 251-257",
        ),
        ({"type": "journal-article", "container-title": ["Nature"], "volume": "521", "page": None}, "Nature 521"),
        ({"container-title": ["Advances in Something"], "event": {"acronym": "NIPS '12"}}, "NIPS 2022"),
        ({"container-title": ["Proceedings of the AAAI Conference on Artificial Intelligence"]},
         "Proceedings of the AAAI Conference on Artificial Intelligence 2022"),
        ({"container-title": []}, None),
        ({"type": "posted-content", "container-title": None}, None),
    ],
)  # fmt: skip
def test_venues_are_written_as_records_write_them(
    three: Sources, server: Server, changes: dict[str, Any], venue: str | None
) -> None:
    server.says(QUOTED, crossref(**changes))
    assert three.find(DOI).venue == venue


def test_the_first_date_counts_as_exactly_as_it_is_known(three: Sources, server: Server) -> None:
    dates = {"published-print": {"date-parts": [[2016]]}, "published-online": {"date-parts": [[2016, 3, 9]]}}
    server.says(QUOTED, crossref(**dates, issued={"date-parts": [[None]]}))
    assert three.find(DOI).published == "2016-03-09"


@pytest.mark.parametrize(("date", "known"), [("2012-01-01", "2012"), ("2012-01-02", "2012-01-02"), (None, "2022")])
def test_the_first_of_january_is_a_year(three: Sources, server: Server, date: str | None, known: str) -> None:
    server.says(f"/openalex/doi:{DOI}", openalex(publication_date=date, locations=[]))
    assert three.find(DOI).published == known


def test_a_group_is_an_author_too(three: Sources, server: Server) -> None:
    authors = [{"name": "The Team"}, {"given": "Sammy", "family": "Davis", "suffix": "Jr."}, {"family": "Plato"}]
    server.says(QUOTED, crossref(author=authors))
    assert three.find(DOI).authors == ("The Team", "Sammy Davis Jr.", "Plato")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{N}etworks in {N}etworks", "Networks in Networks"),
        ("Schr\\\"odinger's R{\\'e}seaux \\& Co.", "Schrödinger's Réseaux & Co."),
        ("50\\% of $1 \\times 1$ convolutions", "50% of 1 × 1 convolutions"),
        ("100% of {A} & #1", "100% of A & #1"),
        ("For $5 and {more}", "For $5 and more"),
        ("Naïve  nets\n  of <i>Drosophila</i> &amp; others", "Naïve nets of Drosophila & others"),
        ("<mml:math xmlns:mml='x'><mml:mi>k</mml:mi></mml:math>-means", "k-means"),
        ("&lt;sub&gt;2&lt;/sub&gt;", "2"),
        ("p < 0.05 and q > 1", "p < 0.05 and q > 1"),
        ("Plain: a title – with 30 % & more", "Plain: a title – with 30 % & more"),
    ],
)
def test_titles_lose_their_markup(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_abstracts_are_not_kept(three: Sources, server: Server) -> None:
    server.says("/arxiv", arxiv(), **ATOM)
    server.says("/openalex/doi:10.48550/arXiv.2201.03545", openalex())
    assert "abstract" not in json.dumps(repr(three.find("2201.03545"))).lower()
