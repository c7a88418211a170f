"""What changed from one paper's network to another's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from catalog.errors import CatalogError
from catalog.names import UnknownName
from catalog.verify.difference import Cost, networks

if TYPE_CHECKING:
    from catalog import Library
    from catalog.verify.difference import Networks


@pytest.fixture(scope="module")
def aggregated(library: Library) -> Networks:
    return networks(library["resnet"], library["resnext"])


def test_the_main_networks_are_compared_unless_others_are_named(library: Library, aggregated: Networks) -> None:
    assert (aggregated.old.variant, aggregated.new.variant) == ("resnet50", "resnext50-32x4d")
    named = ["cifar-resnet20", "RESNEXT29_1x64d-cifar10"]
    found = networks(library["resnet"], library["resnext"], variants=named, size="3,32,32")
    assert (found.old.variant, found.new.variant) == ("cifar-resnet20", "resnext29-1x64d-cifar10")
    assert found.old.input == found.new.input == [3, 32, 32]


def test_of_two_variants_that_both_papers_have_the_first_is_the_old_one(library: Library) -> None:
    paper = library["resnet"]
    found = networks(paper, paper, variants=["resnet18", "resnet34"], size="3,32,32")
    assert (found.old.variant, found.new.variant) == ("resnet18", "resnet34")
    found = networks(paper, paper, variants=["resnet18"], size="3,32,32")
    assert (found.old.variant, found.new.variant) == ("resnet18", "resnet18")
    assert (found.differences, found.elsewhere) == ([], Cost(0, 0))


def test_a_network_by_the_size_of_its_maps(library: Library, aggregated: Networks) -> None:
    claims = {claim.id: claim.expect for claim in library["resnext"].claims}
    assert aggregated.new.parameters == claims["parameters-resnext50-32x4d"].equals  # type: ignore[union-attr]
    assert [(stage.maps, stage.old_size, stage.new_size) for stage in aggregated.stages] == [
        ("1/2", "112x112", "112x112"),
        ("1/4", "56x56", "56x56"),
        ("1/8", "28x28", "28x28"),
        ("1/16", "14x14", "14x14"),
        ("1/32", "7x7", "7x7"),
        ("1x1", "1x1", "1x1"),
    ]
    stem, *_, classifier = aggregated.stages
    assert stem.old == stem.new == Cost(3 * 64 * 49 + 2 * 64, 3 * 64 * 49 * 112 * 112)
    assert classifier.old == classifier.new == Cost(2048 * 1000 + 1000, 2048 * 1000)


def test_what_is_counted_is_all_there_is(library: Library, aggregated: Networks) -> None:
    # Other sizes of input, auxiliary heads that evaluation does not call, maps as large as the input.
    with_heads = networks(library["inception-v1"], library["xception"], variants=["googlenet-aux"])
    for found in (aggregated, with_heads, networks(library["lenet"], library["espnet-v1"])):
        for side in ("old", "new"):
            network = getattr(found, side)
            costs = [getattr(stage, side) for stage in found.stages]
            assert Cost(*map(sum, zip(*costs, strict=True))) == Cost(network.parameters, network.macs)
        differences = [(one.parameters, one.macs) for one in found.differences]
        assert [sum(costs) for costs in zip(*differences, found.elsewhere, strict=True)] == [
            found.new.parameters - found.old.parameters,
            found.new.macs - found.old.macs,
        ]


def test_maps_of_nearly_the_same_size_are_one_stage(library: Library) -> None:
    found = networks(library["resnet"], library["xception"])
    assert (found.old.input, found.new.input) == ([3, 224, 224], [3, 299, 299])
    sizes = {stage.maps: (stage.old_size, stage.new_size) for stage in found.stages}
    assert sizes["1/8"] == ("28x28", "37x37")
    assert sizes["1/32"] == ("7x7", "10x10")
    same = networks(library["resnet"], library["xception"], size="3x64x64")
    assert same.old.input == same.new.input == [3, 64, 64]


def test_maps_that_only_one_has(library: Library) -> None:
    found = networks(library["lenet"], library["resnet"])
    first, *_ = found.stages
    assert (first.maps, first.old_size, first.new_size, first.new) == ("1", "28x28", None, Cost(0, 0))


def test_what_changed_in_the_same_way_in_all_stages_is_one_difference(aggregated: Networks) -> None:
    found = {one.what: one for one in aggregated.differences}
    grouped = found["2 × the outputs of resnet50; 32 groups where it has 1"]
    assert (grouped.count, grouped.parameters) == (13, -7193088)
    assert grouped.theirs[0] == "stages.0.0.layers.3"
    assert len(found) == 4


def test_what_only_training_shows_is_apart(library: Library) -> None:
    found = networks(library["resnet"], library["wide-resnet"], variants=["cifar-resnet20", "wrn-28-10"])
    assert not [one for one in found.differences if "Dropout" in one.what]
    found = networks(library["densenet"], library["inception-v1"])
    assert any("Dropout" in one.what for one in found.in_training)
    assert not any("Dropout" in one.what for one in found.differences)


def test_the_size_of_the_other_paper_where_one_says_none(library: Library) -> None:
    silent = library["resnext"].model_copy(update={"claims": []})
    assert networks(library["resnet"], silent).new.input == [3, 224, 224]
    with pytest.raises(CatalogError, match="what size of input its networks take: --input 3,224,224 says it"):
        networks(silent, silent)


def test_what_cannot_be_compared(library: Library) -> None:
    resnet, resnext = library["resnet"], library["resnext"]
    with pytest.raises(UnknownName, match="no variant of resnet or resnext is called 'resnext5'; did you mean"):
        networks(resnet, resnext, variants=["resnext5"])
    with pytest.raises(CatalogError, match=r"^the module of vgg holds no network$"):
        networks(library["vgg"], resnet)
    with pytest.raises(CatalogError, match=r"^no module reproduces alexnet yet$"):
        networks(resnet, library["alexnet"])


def test_as_json(aggregated: Networks) -> None:
    found = aggregated.as_dict()
    assert found["stages"][0]["old"] == {"parameters": 9536, "macs": 118013952}
    assert found["elsewhere"] == {"parameters": 5044992, "macs": 822083584}
    assert found["differences"][0]["count"] == 13
