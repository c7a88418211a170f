"""Questions in plain English."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, get_args

import pytest

from catalog import paths
from catalog.difference import Contrast, Said
from catalog.errors import CatalogError
from catalog.graph import Common, Derivation, Influence, Lineage
from catalog.names import UnknownName
from catalog.question_forms import FORMS, Form, filled, understand
from catalog.questions import EXAMPLES, Kind, NotUnderstood, Remark, Reproduction, Speaker, ask

if TYPE_CHECKING:
    from pathlib import Path

    from catalog import Library
    from tests.conftest import Records


@pytest.mark.parametrize(
    "question",
    [
        "what builds on Inception",
        "What builds on Inception?",
        "  which papers   build on 'Inception' ?",
        "who built upon InceptionNet",
        "what came after inception",
        "what descends from “Inception”",
        "the descendants of Inception",
        "lineage of inception-family",
        "WHAT DID INCEPTION LEAD TO",
        "what builds on the Inception family?",
    ],
)
def test_descendants(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("lineage", "lineage inception-family")
    assert isinstance(answer.result, Lineage)
    assert answer.result.direction == "descendants"
    assert "mobilenet-v1" in {step.id for step in answer.result.papers}


@pytest.mark.parametrize(
    "question",
    [
        "what does Xception build on",
        "what did xception build upon?",
        "What is Xception based on?",
        "where does Xception come from",
        "ancestors of Xception",
        "what led to Xception",
    ],
)
def test_ancestors(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("lineage", "lineage xception --ancestors")
    assert isinstance(answer.result, Lineage)
    assert answer.result.direction == "ancestors"
    assert [step.id for step in answer.result.papers][:2] == ["xception", "inception-v3"]


@pytest.mark.parametrize(
    "question",
    [
        "how did GoogLeNet lead to Xception",
        "How did GoogLeNet become Xception?",
        "how did Xception evolve from GoogLeNet",
        "did GoogLeNet lead to Xception?",
        "does Xception build on GoogLeNet",
        "the path from 'Inception v1' to xception",
        "how is GoogLeNet related to Xception",
        "how are GoogLeNet and Xception related",
    ],
)
def test_paths(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("path", "path inception-v1 xception")
    assert isinstance(answer.result, Derivation)
    (found,) = answer.result.paths
    assert [(point.id, [link.what for link in point.links]) for point in found] == [
        ("inception-v1", []), ("inception-v3", ["factorises the kernels"]), ("xception", ["one tower per channel"]),
    ]  # fmt: skip


def test_a_family_leads_as_a_whole(small: Library) -> None:
    answer = ask(small, "how did Inception lead to MobileNet")
    assert answer.understood == "path inception-family mobilenet-v1"
    assert isinstance(answer.result, Derivation)
    assert [point.id for point in answer.result.paths[0]] == ["inception-v3", "mobilenet-v1"]


@pytest.mark.parametrize(
    "question",
    [
        "what do Xception and MobileNet have in common",
        "What does Xception, MobileNet share?",
        "common ancestors of Xception & MobileNet",
        "what is the nearest common ancestor of Xception and MobileNet",
        "where do Xception and MobileNet meet",
    ],
)
def test_common_ancestors(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("common", "common xception mobilenet-v1")
    assert isinstance(answer.result, Common)
    assert [ancestor.id for ancestor in answer.result.ancestors] == ["inception-v3"]


def test_common_ancestors_of_many_and_of_names_with_and(records: Records) -> None:
    records.change("resnet.yaml", "name: ResNet", "name: ResNet\naliases: [Shortcuts and Blocks]")
    answer = ask(records.load(), "what do Shortcuts and Blocks, Inception v1, and MobileNet have in common")
    assert answer.understood == "common resnet inception-v1 mobilenet-v1"


@pytest.mark.parametrize(
    "question",
    [
        "what changed from ResNet to Xception",
        "What is new between ResNet and Xception?",
        "what did Xception change in ResNet",
        "the difference between ResNet and Xception",
        "how do ResNet and Xception differ",
        "how does Xception differ from ResNet",
        "compare ResNet with Xception",
        "compare ResNet, Xception",
        "ResNet vs. Xception",
    ],
)
def test_differences(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("difference", "what changed from resnet to xception")
    assert isinstance(answer.result, Said)
    (link,) = answer.result.derivation.paths[0][1].links
    assert (link.relation, link.part, link.what) == ("applies", "shortcut", "around every module")


def test_a_difference_has_what_each_says_of_the_other(small: Library) -> None:
    answer = ask(small, "compare MobileNet with Inception")
    assert isinstance(answer.result, Said)
    assert answer.result.derivation.direction == "backward"
    assert answer.result.remarks == (REMARK,)
    answer = ask(small, "compare Network in Network with Xception")
    assert isinstance(answer.result, Said)
    assert answer.result.contrasts == (Contrast("xception", "network-in-network", "no comparison"),)
    assert answer.as_dict()["result"]["contrasts"][0]["what"] == "no comparison"


REMARK = Remark("mobilenet-v1", "xception", "Xception scales up depthwise separable filters.", quotation=True)


@pytest.mark.parametrize(
    ("question", "understood", "remarks"),
    [
        ("what did MobileNet say about Xception", "remarks on xception by mobilenet-v1", (REMARK,)),
        ("what does MobileNet say of Xception?", "remarks on xception by mobilenet-v1", (REMARK,)),
        ("what is said about Xception", "remarks on xception", (REMARK,)),
        ("what do people say about Inception", "remarks on inception-family", (REMARK,)),
        ("comments on Xception", "remarks on xception", (REMARK,)),
        ("what did ResNet say about Xception", "remarks on xception by resnet", ()),
        (
            "what did Xception say about InceptionNet Series",
            "remarks on inception by xception",
            (Remark("xception", "inception", "They go by the name of Inception.", quotation=True),),
        ),
    ],
)
def test_remarks(small: Library, question: str, understood: str, remarks: tuple[Remark, ...]) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood, answer.result) == ("remarks", understood, remarks)


@pytest.mark.parametrize(
    "question",
    [
        "which papers say something about Xception",
        "who says something about xception?",
        "which works have commented on Xception",
        "papers that mention Xception",
        "who talked about Xception",
    ],
)
def test_speakers(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("speakers", "papers that say something about xception")
    assert answer.result == (Speaker("mobilenet-v1", "MobileNet", 2017, "2017-04", external=False, remarks=1),)


def test_speakers_about_a_family_are_counted_once_by_date(records: Records) -> None:
    records.write("external/later.yaml", "id: later\nname: Later\ntitle: Later\nauthors: [A]\npublished: 2018\n")
    said = "comments:\n  - {source: later, text: One.}\n  - {source: xception, text: Two.}\n"
    path = records.folder / "inception-v1.yaml"
    path.write_text(path.read_text() + said)
    path = records.folder / "inception-v3.yaml"
    path.write_text(path.read_text() + "comments:\n  - {source: xception, text: Three.}\n")
    found = ask(records.load(), "who says something about Inception").result
    assert isinstance(found, tuple)
    assert [(one.id, one.external, one.remarks) for one in found if isinstance(one, Speaker)] == [
        ("xception", False, 2), ("mobilenet-v1", False, 1), ("later", True, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "understood", "papers"),
    [
        ("most influential papers", "most influential papers", ["inception-v3", "inception-v1", "resnet", "xception"]),
        ("What are the most influential papers on kernels?", "most influential papers on kernels", ["xception"]),
        (
            "most influential papers on the InceptionNet series since 2015",
            "most influential papers on inception since 2015",
            ["inception-v3", "xception"],
        ),
        (
            "most important works of the Inception family before 2015",
            "most influential papers of inception-family before 2015",
            ["inception-v1"],
        ),
        ("which papers on kernels are the most influential", "most influential papers on kernels", ["xception"]),
        ("most influential papers in 2015", "most influential papers in 2015", ["inception-v3", "resnet"]),
    ],
)
def test_influence(small: Library, question: str, understood: str, papers: list[str]) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("influence", understood)
    assert isinstance(answer.result, tuple)
    found = [one for one in answer.result if isinstance(one, Influence)]
    assert [one.id for one in found if one.directly] == papers


RESULTS = """
paper: xception
entries:
  - {claim: parameters, environment: cpu, status: STATUS, reason: "", measured: 1, date: "2026-01-01",
     seconds: 1, device: x, versions: {}, fingerprints: {code: x, claim: x}}
"""


@pytest.mark.parametrize(
    ("question", "recorded", "found"),
    [
        ("which reproductions are verified", "verified", True),
        ("Which claims have been verified?", "verified", True),
        ("what is verified", "verified", True),
        ("which reproductions deviate", "verified", False),
        ("which reproductions deviate", "deviates", True),
        ("which papers are failing", "failed", True),
        ("what failed", "failed", True),
        ("which results are stale", "verified", True),
        ("which reproductions are consistent", "verified", False),
        ("which reproductions are not run", "verified", False),
        ("which reproductions are not run", None, True),
        ("reproductions that have not been measured yet", None, True),
        ("failed reproductions", "failed", True),
        ("what is not checkable", None, False),
    ],
)
def test_reproductions(
    small: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str, recorded: str | None, found: bool
) -> None:
    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path)
    entries = RESULTS.replace("STATUS", recorded) if recorded else "paper: xception\nentries: []\n"
    (tmp_path / "xception.yaml").write_text(entries)
    answer = ask(small, question)
    assert answer.kind == "reproductions"
    stale = ("parameters",) if recorded else ()
    assert answer.result == (
        (Reproduction("xception", "Xception", 2016, ("parameters",), stale, of=1),) if found else ()
    )


@pytest.mark.parametrize(
    ("question", "understood", "papers"),
    [
        ("papers on kernels", "papers on kernels", ["xception", "mobilenet-v1"]),
        ("which papers are on dilated kernels?", "papers on kernels/dilated", ["mobilenet-v1"]),
        ("papers on kernels since 2017", "papers on kernels since 2017", ["mobilenet-v1"]),
        ("papers on kernels after 2016", "papers on kernels after 2016", ["mobilenet-v1"]),
        ("papers on kernels before 2017", "papers on kernels before 2017", ["xception"]),
        ("papers on kernels until 2016", "papers on kernels until 2016", ["xception"]),
        ("papers on kernels in 2016", "papers on kernels in 2016", ["xception"]),
        ("list papers between 2015 and 2016", "papers from 2015 to 2016", ["inception-v3", "resnet", "xception"]),
        ("papers from 2015 to 2015", "papers from 2015 to 2015", ["inception-v3", "resnet"]),
        ("all papers since 2017", "papers since 2017", ["mobilenet-v1"]),
        ("papers by Christian Szegedy", "papers by Christian Szegedy", ["inception-v1", "inception-v3"]),
        ("papers by szegedy before 2015", "papers by Christian Szegedy before 2015", ["inception-v1"]),
        ("papers by Francois Chollet", "papers by François Chollet", ["xception"]),
        ("papers by K. He et al.", "papers by Kaiming He", ["resnet"]),
        ("papers by He et al. since 2015", "papers by Kaiming He since 2015", ["resnet"]),
        ("papers by CHOLLET, F. since 2016", "papers by François Chollet since 2016", ["xception"]),
        ("papers by Liu and Szegedy", "papers by Wei Liu and Christian Szegedy", ["inception-v1"]),
        ("papers by He and Szegedy", "papers by Kaiming He and Christian Szegedy", []),
        ("papers on ResNets", "papers on residual-family", ["resnet"]),
        ("papers on InceptionNet", "papers on inception", ["inception-v1", "inception-v3", "xception"]),
        (
            "papers of the Inception family since 2015",
            "papers of inception-family since 2015",
            ["inception-v3", "xception"],
        ),
    ],
)
def test_papers(small: Library, question: str, understood: str, papers: list[str]) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood) == ("papers", understood)
    assert isinstance(answer.result, tuple)
    assert [paper.id for paper in answer.result] == papers


@pytest.mark.parametrize(
    "question", ["what is Xception?", "who wrote Xception", "when was Xception published", "tell me about Xception"]
)
def test_records(small: Library, question: str) -> None:
    answer = ask(small, question)
    assert (answer.kind, answer.understood, answer.result) == ("record", "show xception", small["xception"])


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("what builds on Xceptoin", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("what did Xceptoin say about ResNet", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("what is said about Resnte", "no paper or family is called 'Resnte'; did you mean 'resnet'"),
        ("papers on kernals", "no topic is called 'kernals'; did you mean 'kernels'"),
        ("papers on llamas", "no topic is called 'llamas'; there are kernels, inception, residual"),
        ("papers on MobileNet", "no topic is called 'MobileNet'; it is a work; ask what builds on mobilenet-v1"),
        ("most influential papers on kernals", "no topic is called 'kernals'; did you mean 'kernels'"),
        ("papers by Holet", "no author is called 'Holet'; did you mean 'François Chollet'?"),
        ("how did Xceptoin lead to ResNet", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("what do ResNet and Xceptoin share", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("compare ResNet with Xceptoin", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("who says something about Xceptoin", "no paper or family is called 'Xceptoin'; did you mean 'xception'?"),
        ("papers by Kristian Szegedy", "no author is called 'Kristian Szegedy'; did you mean 'Christian Szegedy'?"),
    ],
)
def test_names_that_are_none(small: Library, question: str, says: str) -> None:
    with pytest.raises(UnknownName) as raised:
        ask(small, question)
    assert str(raised.value).startswith(says)


@pytest.mark.parametrize("question", ["", "?", "Xception", "build me a network", "what", "papers", "x" * 100_000])
def test_what_is_not_understood(small: Library, question: str) -> None:
    with pytest.raises(NotUnderstood) as raised:
        ask(small, question)
    assert all(example in str(raised.value) for example in EXAMPLES)


@pytest.mark.parametrize(
    "word",
    [
        "what ",
        "papers on ",
        "on ",
        "say about ",
        "what did x say about ",
        " in 2016",
        "how did x lead to ",
        " and ",
        "compare x with ",
    ],
)
def test_no_question_takes_long(small: Library, word: str) -> None:
    start = time.perf_counter()
    with pytest.raises(CatalogError):
        ask(small, word * 100)
    with pytest.raises(CatalogError):
        ask(small, word * (290 // len(word)))
    assert time.perf_counter() - start < 1


def test_there_is_an_example_of_each_kind_and_the_real_records_answer_it(library: Library) -> None:
    kinds = set()
    for example in EXAMPLES:
        answer = ask(library, example)
        assert answer.question == example
        assert json.loads(json.dumps(answer.as_dict()))["result"], example
        kinds.add(answer.kind)
    assert kinds == set(get_args(Kind))


def test_json(small: Library) -> None:
    assert ask(small, "what did MobileNet say about Xception").as_dict() == {
        "question": "what did MobileNet say about Xception",
        "kind": "remarks",
        "understood": "remarks on xception by mobilenet-v1",
        "result": [
            {
                "source": "mobilenet-v1",
                "about": "xception",
                "text": "Xception scales up depthwise separable filters.",
                "quotation": True,
            }
        ],
    }
    listed = ask(small, "papers by Chollet").as_dict()["result"]
    assert [paper["id"] for paper in listed] == ["xception"]


def test_a_topic_and_what_lies_under_it(records: Records) -> None:
    records.change(
        "taxonomy.yaml",
        "{id: kernels/dilated, name: Dilated Kernels}",
        "{id: kernels/dilated, name: Dilated Kernels, comments: [{source: resnet, text: Holes.}]}",
    )
    answer = ask(records.load(), "what is said about kernels")
    assert answer.result == (Remark("resnet", "kernels/dilated", "Holes.", quotation=True),)


# --- Wordings --------------------------------------------------------------------------------------------------------


def _asked(wording: str) -> str:
    """A wording with something in each of its places."""
    return filled(wording, **dict.fromkeys(re.findall("[A-Z]{2,}", wording), "Some Name") | _SPECIAL)


_SPECIAL = {"YEAR": "2015", "LATER": "2019", "VERDICT": "deviating"}


@pytest.mark.parametrize(("form", "wording"), [(form, wording) for form in FORMS for wording in form.wordings])
def test_every_wording_is_understood_as_its_form(form: Form, wording: str) -> None:
    understood = understand(_asked(wording))
    assert understood is not None
    assert understood[0].id == form.id


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.id)
def test_people_are_told_of_every_pattern(form: Form) -> None:
    questions = [*map(_asked, form.wordings), form.example]
    assert [p for p in form.patterns if not any(re.fullmatch(p, one, re.IGNORECASE) for one in questions)] == []
    assert len({other.id for other in FORMS}) == len(FORMS)
    assert (understood := understand(form.example)) is not None
    assert understood[0] is form
