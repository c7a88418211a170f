"""What people call a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.names import AmbiguousName, UnknownName, closest, find_authors, find_topic, normal, same, slug
from catalog.outline import identifier
from catalog.records import Family, Paper

if TYPE_CHECKING:
    from catalog import Library
    from tests.conftest import Records


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("xception", "xception"),
        ("Xception", "xception"),
        (" XCEPTION ", "xception"),
        ("Xcéption Network", "xception"),
        ("xception-network", "xception"),
        ("xceptionnetwork", "xception"),
        ("GoogLeNet", "inception-v1"),
        ("googlenet", "inception-v1"),
        ("Inception v1", "inception-v1"),
        ("INCEPTION_V1", "inception-v1"),
        ("inceptionv3", "inception-v3"),
        ("Inception", "inception-family"),
        ("Inception Net", "inception-family"),
        ("inception-family", "inception-family"),
        ("deep residual learning for image recognition", "resnet"),
        ("Deep Residual Learning, for Image Recognition!", "resnet"),
        ("1610.02357", "xception"),
        ("arXiv:1610.02357v3", "xception"),
        ("https://arxiv.org/abs/1610.02357", "xception"),
        ("http://arxiv.org/pdf/1610.02357v1.pdf", "xception"),
        ("10.48550/arXiv.1610.02357", "xception"),
        ("10.1109/CVPR.2015.7298594", "inception-v1"),
        ("doi:10.1109/cvpr.2015.7298594", "inception-v1"),
        ("https://doi.org/10.1109/CVPR.2015.7298594", "inception-v1"),
        ("https://example.org/resnet", "resnet"),
    ],
)
def test_find(small: Library, name: str, found: str) -> None:
    record = small.find(name)
    assert record.id == found
    assert isinstance(record, Family if found.endswith("-family") else Paper)


def test_resolve(small: Library) -> None:
    assert [paper.id for paper in small.resolve("Xception")] == ["xception"]
    assert [paper.id for paper in small.resolve("Inception")] == ["inception-v1", "inception-v3", "xception"]
    assert small.ids("InceptionNet") == ("inception-v1", "inception-v3", "xception")
    assert small.ids("NiN") == ("network-in-network",)


def test_outside_works_are_known_but_no_papers(small: Library) -> None:
    with pytest.raises(UnknownName, match="'network-in-network' is known as a work outside the catalogue"):
        small.find("Network in Network")


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("Xceptoin", ("xception",)),
        ("GoogleNet 1", ("inception-v1",)),
        ("inceptoin v3", ("inception-v3", "inception-v1")),
        ("mobilnet", ("mobilenet-v1",)),
        ("learning residual images", ()),
        ("deep residual image learning", ("resnet",)),
        ("", ()),
        ("?", ()),
        ("zzzzzz", ()),
        ("\udcff\udcfe", ()),
    ],
)
def test_suggestions(small: Library, name: str, suggestions: tuple[str, ...]) -> None:
    with pytest.raises(UnknownName) as raised:
        small.find(name)
    assert raised.value.suggestions[: len(suggestions)] == suggestions
    assert bool(raised.value.suggestions) == bool(suggestions)
    assert str(raised.value).startswith("no paper or family is called '")
    str(raised.value).encode("utf-8")


def test_what_somebody_typed_is_not_echoed_at_length(small: Library) -> None:
    with pytest.raises(UnknownName) as raised:
        small.find("\x1b[31m" + "x" * 100_000)
    assert len(str(raised.value)) < 200
    assert "\x1b" not in str(raised.value)


def test_at_most_five_suggestions(library: Library) -> None:
    with pytest.raises(UnknownName) as raised:
        library.find("inception-v33")
    assert 2 <= len(raised.value.suggestions) <= 5


def test_exact_names_go_before_similar_ones(records: Records) -> None:
    records.change("inception-v3.yaml", "name: Inception-v3", "name: Res-Net")
    library = records.load()
    assert library.find("ResNet").id == "resnet"
    assert library.find("Res-Net").id == "inception-v3"
    with pytest.raises(AmbiguousName) as raised:
        library.find("res net")
    assert set(raised.value.candidates) == {"resnet", "inception-v3"}
    assert str(raised.value) == "'res net' may be inception-v3 or resnet; use one of these"


def test_similar_names_within_one_family_are_the_family(records: Records) -> None:
    records.change("inception-v3.yaml", "name: Inception-v3", "name: Google-LeNet")
    records.change("inception-v1.yaml", "name: GoogLeNet", "name: GoogleLeNet")
    assert records.load().find("google le net").id == "inception-family"


def test_the_catalogue_goes_before_works_outside(records: Records) -> None:
    records.change("external/network-in-network.yaml", "aliases: [NiN]", "aliases: [Res-Net]")
    assert records.load().ids("res net") == ("resnet",)


def test_real_names(library: Library) -> None:
    for name, found in {
        "Inception": "inception",
        "GoogLeNet": "inception-v1",
        "BN-Inception": "inception-v2",
        "Batch Normalization": "inception-v2",
        "1610.02357": "xception",
        "MobileNets": "mobilenet-v1",
        "resnet": "resnet",
        "ShuffleNet V2": "shufflenet-v2",
    }.items():
        record = library.find(name)
        assert record.id == found or getattr(record, "family", None) == found or record.id in {"mobilenet"}, name


def test_spelling() -> None:
    assert same("  Inception\tV3 ") == "inception v3"
    assert same("ＲesNet") == "resnet"  # a wide letter, as pasted from a PDF
    assert normal("Xcéption-Network (2016)") == "xceptionnetwork2016"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1610.02357", "arxiv:1610.02357"),
        ("cs/9901001v2", "arxiv:cs/9901001"),
        ("math.AG/9901001", "arxiv:math.ag/9901001"),
        ("hep-th/9901001", "arxiv:hep-th/9901001"),
        ("10.1/x", None),
        ("http://example.org/a/", "web:example.org/a"),
        ("resnet", None),
        ("2016", None),
    ],
)
def test_identifier(text: str, found: str | None) -> None:
    assert identifier(text) == found


def test_closest_prefers_what_is_much_nearer() -> None:
    assert closest("mobilenets", ["lenet", "mobilenet-v1", "senet"]) == ["mobilenet-v1"]
    assert closest("x" * 100_000, ["lenet"]) == []


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        ("kernels/dilated", "kernels/dilated"),
        ("Dilated Kernels", "kernels/dilated"),
        ("dilated", "kernels/dilated"),
        ("dilated kernel", "kernels/dilated"),
        ("kernels", "kernels"),
        ("kernel", "kernels"),
        ("residual networks", "residual"),
    ],
)
def test_topics(small: Library, name: str, topic: str) -> None:
    assert find_topic(name, small.topic_names.values()) == topic


def test_topics_that_are_not_there(small: Library) -> None:
    with pytest.raises(UnknownName, match="no topic is called 'dilatd kernels'; did you mean 'kernels/dilated'"):
        find_topic("dilatd kernels", small.topic_names.values())
    with pytest.raises(UnknownName, match="no topic is called ''"):
        find_topic("", small.topic_names.values())


def test_topics_of_one_name(records: Records) -> None:
    records.change("taxonomy.yaml", "name: Residual Networks Family", "name: Dilated Kernels")
    with pytest.raises(AmbiguousName, match="may be kernels/dilated or residual"):
        find_topic("dilated kernels", records.load().topic_names.values())


AUTHORS = [
    "Kaiming He",
    "Dan C. Cireşan",
    "Jürgen Schmidhuber",
    "Yann LeCun",
    "Luc Van Gool",
    "Søren Łukasz",
    "Wei Liu",
    "W. Liu",
    "Quoc V. Le",
    "Jean-Baptiste Cordonnier",
    "何恺明",
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("He", ["Kaiming He"]),
        ("kaiming he", ["Kaiming He"]),
        ("K. He", ["Kaiming He"]),
        ("He, K.", ["Kaiming He"]),
        ("Dan Ciresan", ["Dan C. Cireşan"]),
        ("D. C. CIREŞAN", ["Dan C. Cireşan"]),
        ("Jurgen Schmidhuber", ["Jürgen Schmidhuber"]),
        ("Le Cun", ["Yann LeCun"]),
        ("Y. Le Cun", ["Yann LeCun"]),
        ("VanGool", ["Luc Van Gool"]),
        ("Soren Lukasz", ["Søren Łukasz"]),
        ("Wei Liu", ["Wei Liu", "W. Liu"]),
        ("Quoc Le", ["Quoc V. Le"]),
        ("Jean Baptiste Cordonnier", ["Jean-Baptiste Cordonnier"]),
        ("J.-B. Cordonnier", ["Jean-Baptiste Cordonnier"]),
        ("何恺明", ["何恺明"]),
    ],
)
def test_authors(name: str, found: list[str]) -> None:
    assert find_authors(name, AUTHORS) == found


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("X. He", ("Kaiming He",)),
        ("K", ()),
        ("K. H.", ()),
        ("V.", ()),
        ("", ()),
        ("Ciresann", ("Dan C. Cireşan",)),
        ("Yan LeKun", ("Yann LeCun",)),
        ("He He", ()),
    ],
)
def test_authors_who_are_not_there(name: str, suggestions: tuple[str, ...]) -> None:
    with pytest.raises(UnknownName) as raised:
        find_authors(name, AUTHORS)
    assert raised.value.suggestions[:1] == suggestions


def test_of_a_topic_that_is_like_none_the_top_ones_are_named(small: Library) -> None:
    with pytest.raises(UnknownName, match=r"no topic is called 'zzz'; there are kernels, inception, residual$"):
        find_topic("zzz", small.topic_names.values())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MobileNetV1", "mobilenet-v1"),
        ("ESPNetv2", "espnet-v2"),
        ("Dual Path Networks (DPN)", "dual-path-networks"),
        ("Schmidhübér & Söhne", "schmidhuber-sohne"),
        ("ResNet-RS", "resnet-rs"),
        ("(2018, X)", "2018-x"),
        ("…", "unnamed"),
        ("word " * 30, "word" + "-word" * 12),
    ],
)
def test_a_name_makes_an_id(name: str, expected: str) -> None:
    assert slug(name) == expected
