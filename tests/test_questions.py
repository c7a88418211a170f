"""Questions in plain English."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from catalog.errors import CatalogError
from catalog.graph import Lineage
from catalog.names import UnknownName
from catalog.questions import EXAMPLES, NotUnderstood, Remark, ask

if TYPE_CHECKING:
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


@pytest.mark.parametrize("word", ["what ", "papers on ", "on ", "say about ", "what did x say about ", " in 2016"])
def test_no_question_takes_long(small: Library, word: str) -> None:
    start = time.perf_counter()
    with pytest.raises(CatalogError):
        ask(small, word * 100)
    with pytest.raises(CatalogError):
        ask(small, word * (290 // len(word)))
    assert time.perf_counter() - start < 1


def test_the_examples_are_answered_from_the_real_records(library: Library) -> None:
    for example in EXAMPLES:
        answer = ask(library, example)
        assert answer.question == example
        assert json.loads(json.dumps(answer.as_dict()))["result"], example


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
