"""What arXiv, Crossref and OpenAlex answer, in the form in which they answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalog.metadata import Sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalog.fetch import Web
    from tests.loopback import Server


def sources(web: Web, server: Server) -> Sources:
    return Sources(web, server.url("/arxiv"), server.url("/crossref"), server.url("/openalex"))


def arxiv(
    title: str = "A ConvNet for the 2020s",
    authors: Sequence[str] = ("Zhuang Liu", "Saining Xie"),
    number: str = "2201.03545v2",
    published: str = "2022-01-10T18:59:10Z",
    more: str = "",
) -> str:
    people = "".join(f"<author><name>{name}</name></author>" for name in authors)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
  <title>ArXiv Query: id_list=2201.03545</title>
  <entry>
    <id>http://arxiv.org/abs/{number}</id>
    <published>{published}</published>
    <updated>2022-03-02T15:08:41Z</updated>
    <title>{title}</title>
    <summary>An abstract, which nobody keeps.</summary>
    {people}{more}
  </entry>
</feed>"""


ATOM = {"Content_Type": "application/atom+xml; charset=utf-8"}

NOTHING = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>ArXiv Query</title></feed>"""


def crossref(**changes: Any) -> dict[str, Any]:
    item = {
        "DOI": "10.1109/cvpr52688.2022.01167",
        "type": "proceedings-article",
        "title": ["A ConvNet for the 2020s"],
        "container-title": ["2022 IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)"],
        "author": [{"given": "Zhuang", "family": "Liu"}, {"given": "Saining", "family": "Xie"}],
        "published-print": {"date-parts": [[2022, 6]]},
        "issued": {"date-parts": [[2022, 6]]},
        "page": "11966-11976",
        "abstract": "<jats:p>An abstract, which nobody keeps.</jats:p>",
    }
    return {"status": "ok", "message": item | changes}


def openalex(**changes: Any) -> dict[str, Any]:
    item = {
        "doi": "https://doi.org/10.1109/cvpr52688.2022.01167",
        "title": "A ConvNet for the 2020s",
        "publication_date": "2022-06-01",
        "publication_year": 2022,
        "type": "article",
        "authorships": [
            {"raw_author_name": "Zhuang Liu", "author": {"display_name": "Zhuang  Liu"}},
            {"raw_author_name": None, "author": {"display_name": "Saining Xie"}},
        ],
        "primary_location": {
            "source": {
                "display_name": "2022 IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
                "type": "conference",
            }
        },
        "locations": [
            {"landing_page_url": "https://doi.org/10.1109/cvpr52688.2022.01167"},
            {"landing_page_url": "http://arxiv.org/abs/2201.03545"},
        ],
        "biblio": {"volume": None, "issue": None, "first_page": "11966", "last_page": "11976"},
        "abstract_inverted_index": {"An": [0]},
    }
    return item | changes
