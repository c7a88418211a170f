"""Headline claims: published weights carried into our module, and measured on the images that the paper speaks of.

The weights go into the network of the library that publishes them, and from there by the road of parity into ours: no
table of names, and ours must then give the same outputs before a single image is read. Only weights that a claim names,
on all of its data and prepared as it says, decide anything.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.errors import CatalogError
from catalog.names import find_variant
from catalog.records import Claim, Paper, Peer, Status, Subject, Tier
from catalog.text import counted, listed
from catalog.verify import MeasurementError, parity, weights
from catalog.verify.images import DATA_SETS, Channels, ImageFolder, Preparation, batches
from catalog.verify.meta import import_torch, without_compiler
from catalog.verify.peers import PeerNotInstalledError, build_peer
from catalog.verify.verdict import judge

if TYPE_CHECKING:
    from torch import Tensor, nn

    from catalog.verify.runner import ClaimReport, PaperReport

__all__ = ["SAME", "Carried", "Changes", "Evaluation", "carry", "evaluate", "needs", "outputs_of"]

SAME = 1e-9
"""Two networks are one function when, in double precision, no output differs by more than this share of the largest."""

BATCH = 64

Tell = Callable[[str, int, int], None]
"""Told what is being done, how much of it is and how much there is to do (0 where that is not known)."""


# --- What a claim asks for -------------------------------------------------------------------------------------------


class _Crop(NamedTuple):
    """A protocol of one crop, with what it says of sizes."""

    crop: int | None
    resize: int | None


_PROTOCOL = re.compile(r"single crop(?: (?:of )?(\d+))?(?: from a shorter side of (\d+))?")


def _crop(protocol: str | None) -> _Crop | None:
    """What a protocol says: ``single crop of 224 from a shorter side of 256``; none where it asks for anything else."""
    found = _PROTOCOL.fullmatch(protocol or "single crop")
    return _Crop(*(int(size) if size else None for size in found.groups())) if found else None


def needs(paper: str, claim: Claim) -> str:
    """What a headline claim needs, in one line: the command that measures it, or why there is none."""
    subject = claim.subject
    data, source = (subject.data, subject.weights) if subject else (None, None)
    if subject and claim.measure and source and data in DATA_SETS and weights.split(source) and _crop(subject.protocol):
        return f"repro evaluate {paper} --weights {source} --data {data}=DIR measures it"
    protocol = f" ({subject.protocol})" if subject and subject.protocol else ""
    what = f"needs {f'the data set {data}' if data else 'data of the paper'}{protocol} and "
    if source is None:
        return f"{what}trained weights, and none are named"
    if weights.split(source) is None:
        return f"{what}the weights {source}, which repro evaluate cannot read"
    if subject and _crop(subject.protocol) is None:
        return f"{what}the weights {source}; repro evaluate takes a single crop"
    return f"{what}the weights {source}; no measurement is recorded for it"


# --- Roads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Road:
    """Which network weights belong to, and which of ours they go into."""

    model: weights.Name | None
    """With the weights, where a claim names them; none for ours itself."""
    model_options: Mapping[str, Any]
    """Keywords of the library's factory."""
    variant: str
    options: Mapping[str, Any]
    """Keywords of our build()."""

    @property
    def whose(self) -> weights.Name | None:
        """The model without its weights; none for ours."""
        return self.model.bare if self.model else None

    def __str__(self) -> str:
        return str(self.whose or f"our {self.variant}")

    @property
    def peer(self) -> Peer:
        assert self.model is not None
        fields = {"library": self.model.library, "model": self.model.model, "options": self.model_options}
        return Peer.model_validate(fields)


_OF_SMALL_INPUTS = {"in_size", "img_size"}
"""Options by which a parity claim fits a peer to an input that is quick to compute; weights are for the usual one."""


def _roads(paper: Paper, variant: str | None) -> list[_Road]:
    """The roads that the claims of a paper know; those of headline claims first.

    What parity claims set on a peer after it was built is left aside: weights were published for the peer as it is.
    """
    by_parity = [
        _Road(
            weights.Name(claim.peer.library, claim.peer.model, ""),
            {key: value for key, value in claim.peer.options.items() if key not in _OF_SMALL_INPUTS},
            claim.subject.variant,
            claim.subject.options,
        )
        for claim in paper.claims
        if claim.peer is not None and claim.subject is not None
    ]
    by_headline = []
    for _, subject, name in _headlines(paper):
        alike = (road for road in by_parity if (road.whose, road.variant) == (name.bare, subject.variant))
        road = next(alike, None)
        by_headline.append(_Road(name, road.model_options if road else {}, subject.variant, subject.options))
    return [road for road in (*by_headline, *by_parity) if variant in (None, road.variant)]


def _road(paper: Paper, name: weights.Name, variant: str | None) -> _Road:
    """The road for some weights: of a claim on them, of one on their model, or into the variant that is asked for."""
    roads = [road for road in _roads(paper, variant) if road.whose == name.bare]
    roads = [road for road in roads if road.model == name] or roads
    candidates = list(dict.fromkeys(road.variant for road in roads))
    if len(candidates) == 1:
        return roads[0]
    if variant is not None:
        return _Road(name, {}, variant, {})
    raise _which_variant(paper, candidates, f"{name} belongs to")


def _headlines(paper: Paper) -> list[tuple[Claim, Subject, weights.Name]]:
    """The headline claims of a paper that name weights of a library."""
    found = []
    for claim in paper.claims:
        subject = claim.subject if claim.tier is Tier.HEADLINE else None
        name = weights.split(subject.weights) if subject and subject.weights else None
        if subject and name:
            found.append((claim, subject, name))
    return found


def _which_variant(paper: Paper, candidates: list[str], what: str) -> CatalogError:
    names = candidates or _offered(paper)
    return CatalogError(f"no claim of {paper.id} says which variant {what}; say --variant {listed(names, 'or')}")


def _offered(paper: Paper) -> list[str]:
    import reproductions

    try:
        offered = reproductions.variants(paper.id)
    except reproductions.UnknownReproduction:
        offered = []
    if not offered:
        raise CatalogError(f"{paper.id} has no network here that weights could be carried into")
    return offered


# --- Weights ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Weights in the network that they belong to."""

    network: nn.Module
    road: _Road
    name: str
    """As they are published, or the file."""
    why_not: str
    """What keeps them from deciding a claim; empty where they are what is published under that name."""
    preparation: Preparation | None
    """None where nobody says how images are prepared for them."""


def _load(paper: Paper, text: str, variant: str | None, peer: str | None) -> _Loaded:
    """Find weights and the network that they belong to."""
    name = weights.split(text)
    if name is not None and peer is None:
        source = weights.published(name)
        road = _road(paper, source.name, variant)
        return _load_published(source, source.obtain(), road)
    if name is not None:
        raise CatalogError(f"--peer is for files; {text} says itself which model it is for")
    path = Path(text).expanduser()
    if not path.exists():
        raise CatalogError(
            f"there is no file {text}; published weights are written timm:NAME, torchvision:MODEL.WEIGHTS or "
            "pytorchcv:NAME"
        )
    return _load_file(paper, path, variant, peer)


def _load_published(source: weights.Published, path: Path, road: _Road) -> _Loaded:
    why_not = ""
    if path == source.cached and source.checksum is not None and weights.recognised(path, [source]) is None:
        why_not = f"{path} is not the file that was published: its sum is not the one that it is named by"
    network = source.network(weights.read(path), road.model_options)
    return _Loaded(network, road, str(source.name), why_not, source.preparation)


def _load_file(paper: Paper, path: Path, variant: str | None, peer: str | None) -> _Loaded:
    """Find out whose weights a file holds: published ones, by its sum; else those of the first network that it fits."""
    state = weights.read(path)
    asked = weights.split(peer) if peer is not None else None
    if peer is not None and asked is None:
        raise CatalogError(f"--peer '{peer}' is no model: write timm:NAME, torchvision:NAME or pytorchcv:NAME")

    roads = [_road(paper, asked, variant)] if asked else _roads(paper, variant)
    published = {model: weights.of_model(model) for model in dict.fromkeys(road.whose for road in roads if road.whose)}
    if asked and asked.tag:
        published[asked.bare] = [weights.published(asked)]
    if source := weights.recognised(path, [source for sources in published.values() for source in sources]):
        return _load_published(source, path, _road(paper, source.name, variant))

    if not asked:
        roads += [_Road(None, {}, name, {}) for name in ([variant] if variant else _offered(paper))]
    misfits: dict[str, str] = {}
    fitting: list[_Road] = []
    for road in roads:
        # Whoever fits first has it, unless our variants of the same layers do.
        if not fitting or fitting[0].whose == road.whose:
            if misfit := weights.misfit(state, _on_meta(partial(_network, paper, road))):
                misfits[str(road)] = misfit
            else:
                fitting.append(road)
    if not fitting:
        shown = [f"{name}: {misfit}" for name, misfit in list(misfits.items())[:3]]
        hint = "" if asked else "; --peer says which model it is for"
        raise CatalogError("\n    ".join([f"{path} fits none of {', '.join(misfits)}{hint}", *shown]))
    road, candidates = fitting[0], list(dict.fromkeys(road.variant for road in fitting))
    if len(candidates) > 1:
        raise _which_variant(paper, candidates, f"{path.name} belongs to")
    network = _network(paper, road)
    network.load_state_dict(state)
    # Weights of one model may be published for images that are prepared in different ways.
    ways = {source.preparation for source in published[road.whose]} if road.whose else set()
    why_not = f"nothing shows that {path.name} holds published weights"
    return _Loaded(network, road, str(path), why_not, ways.pop() if len(ways) == 1 else None)


def _network(paper: Paper, road: _Road) -> nn.Module:
    """The network that the weights of a road belong to."""
    from reproductions import build

    return build_peer(road.peer) if road.model else build(paper.id, road.variant, **road.options)


def _on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without memory for its weights, to see what these would be."""
    import torch

    with torch.device("meta"), without_compiler():
        return build()


# --- Carrying --------------------------------------------------------------------------------------------------------


class Carried(NamedTuple):
    """Weights in our network."""

    network: nn.Module
    """In single precision and evaluation mode."""
    difference: float | None
    """The largest between an output of ours and of the peer, as a share of the largest, in double precision; none where
    there is no peer."""
    classes: int


def carry(ours: nn.Module, theirs: nn.Module, size: int) -> Carried:
    """Carry the weights of a peer into our network, and see that both then compute the same.

    Args:
        ours: our network; its weights are overwritten.
        theirs: the peer, with the weights.
        size: of an input, in pixels.

    Raises:
        MeasurementError: they are not one function; the message says where they part, or by how much.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, size, size, dtype=torch.float64, generator=generator)
    for network in (ours, theirs):
        network.double().eval()
    published = {key: tensor.clone() for key, tensor in theirs.state_dict().items()}
    # Layers find each other by random weights: among published ones there are dead filters, which are all alike.
    parity.draw(theirs, image, generator)
    pairs = parity.match(ours, theirs, image)
    theirs.load_state_dict(published)
    parity.carry(pairs, ours, theirs)
    with torch.no_grad():
        here, there = ours(image.clone()), theirs(image.clone())
    if not isinstance(here, torch.Tensor) or here.shape != there.shape:
        raise MeasurementError("the two do not both give one number for each class")
    difference = ((here - there).abs().max() / there.abs().max()).item()
    if not difference <= SAME:
        raise MeasurementError(
            f"with the same weights an output of ours differs from the peer's by {difference:.1e} of the largest"
        )
    return Carried(ours.float(), difference, here.shape[1])


@contextmanager
def _double_precision() -> Iterator[None]:
    """From the start, so that no constant of a network is rounded to single precision first."""
    import torch

    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


# --- Evaluation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changes:
    """What is asked for in place of the preparation that belongs to weights."""

    crop: int | None = None
    resize: int | None = None
    interpolation: str | None = None
    mean: Channels | None = None
    std: Channels | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation."""

    paper: str
    variant: str
    weights: str
    """As published, or the file."""
    weights_fingerprint: str
    """Of all tensors of the network that they belong to."""
    peer: str | None
    """That network, where it is not ours."""
    difference: float | None
    """See :class:`Carried`; none where the network is ours."""
    preparation: Preparation
    data: str
    folder: ImageFolder
    images: int
    """That were seen."""
    right: dict[int, int]
    """Images whose class is among so many highest outputs: by 1 and 5."""
    unreadable: tuple[str, ...]
    seconds: float
    environment: str
    """``cpu`` or ``cuda``."""
    device: str
    """What that is, for a person; empty for a processor."""
    remark: str
    """Why no claim is decided, where none is; else empty."""
    report: PaperReport
    """The claims on these weights."""

    @property
    def measured(self) -> dict[str, float]:
        """Shares of the images, by the names of the measures."""
        shares = {f"top-{k}": right / self.images for k, right in self.right.items()}
        return shares | {f"top-{k}-error": (self.images - right) / self.images for k, right in self.right.items()}

    @property
    def decided(self) -> bool:
        """Whether any claim is."""
        return any(claim.status is not Status.NOT_RUN for claim in self.report.claims)

    @property
    def libraries(self) -> tuple[str, ...]:
        """That the weights went through."""
        return (self.peer.partition(":")[0],) if self.peer else ()

    def as_dict(self) -> dict[str, Any]:
        """In types that JSON knows."""
        return {
            "paper": self.paper,
            "variant": self.variant,
            "weights": {"name": self.weights, "fingerprint": self.weights_fingerprint},
            "peer": self.peer,
            "difference": self.difference,
            "preparation": asdict(self.preparation),
            "data": {
                "name": self.data,
                "folder": str(self.folder.place),
                "images": len(self.folder.items),
                "classes": len(self.folder.classes),
                "fingerprint": self.folder.fingerprint,
            },
            "images": self.images,
            "right": {f"top-{k}": right for k, right in self.right.items()},
            "measured": self.measured,
            "unreadable": list(self.unreadable),
            "seconds": round(self.seconds, 2),
            "environment": self.environment,
            "device": self.device,
            "remark": self.remark,
            "claims": [claim.as_dict() for claim in self.report.claims],
            "summary": self.report.summary,
        }


def evaluate(
    paper: Paper,
    text: str,
    data: str,
    *,
    variant: str | None = None,
    peer: str | None = None,
    changes: Changes = Changes(),
    batch: int = BATCH,
    workers: int = 0,
    device: str | None = None,
    limit: int | None = None,
    tell: Tell = lambda *_: None,
) -> Evaluation:
    """Measure how often a network of a paper with published weights is right, and judge the claims on these weights.

    Args:
        paper: the record.
        text: the weights: ``timm:NAME``, ``torchvision:MODEL.WEIGHTS``, ``pytorchcv:NAME`` or a file.
        data: name of the data set and its folder: ``imagenet=DIR``.
        variant: into which they are carried; that of the claims on them if omitted.
        peer: the model whose weights a file holds.
        changes: to how images are prepared.
        batch: images at a time.
        workers: processes that read images.
        device: ``cpu`` or ``cuda``; the GPU if omitted and there is one.
        limit: take only so many images, and decide nothing.
        tell: told how far it is.

    Raises:
        CatalogError: something about the input is wrong; the message says what to do.
    """
    name, _, place = data.partition("=")
    if not name or not place:
        raise CatalogError(f"--data '{data}' does not say which data set lies where: write --data imagenet=DIR")
    _offered(paper)  # or there is nothing that weights could be carried into
    if variant is not None:
        variant = find_variant(paper.id, variant)
    tell("listing the images", 0, 0)
    folder = ImageFolder.read(Path(place).expanduser())
    if name in DATA_SETS:
        folder.expect_classes(DATA_SETS[name].classes)
    import_torch()
    import torch

    from catalog.verify.runner import PaperReport

    device = _device(device)
    ready = _make_ready(paper, text, variant, peer, changes, tell)
    loaded, claims, network = ready.loaded, ready.claims, ready.carried.network
    folder.expect_classes(ready.carried.classes)

    started = time.perf_counter()
    right, images, unreadable = dict.fromkeys((1, 5), 0), 0, list[str]()
    total = min(limit or len(folder.items), len(folder.items))
    tell("evaluating", 0, total)
    for outputs, labels, damaged in outputs_of(
        network, folder, ready.preparation, batch=batch, workers=workers, device=device, limit=limit
    ):
        for k in right if len(labels) else ():
            highest = outputs.topk(min(k, ready.carried.classes)).indices
            right[k] += int((highest == labels[:, None]).sum())
        images += len(labels)
        unreadable += damaged
        tell("evaluating", images + len(unreadable), total)
    if not images:
        raise CatalogError(f"none of the images in {folder.place} can be read: {unreadable[0]}")

    evaluation = Evaluation(
        paper=paper.id,
        variant=loaded.road.variant,
        weights=loaded.name,
        weights_fingerprint=ready.fingerprint,
        peer=str(loaded.road.whose) if loaded.road.whose else None,
        difference=ready.carried.difference,
        preparation=ready.preparation,
        data=name,
        folder=folder,
        images=images,
        right=right,
        unreadable=tuple(unreadable),
        seconds=time.perf_counter() - started,
        environment=torch.device(device).type,
        device="" if device == "cpu" else torch.cuda.get_device_name(device),
        remark="" if claims else loaded.why_not or f"no claim of {paper.id} is about {loaded.name}",
        report=PaperReport(paper, ()),
    )
    return replace(evaluation, report=PaperReport(paper, tuple(_judged(claim, evaluation, loaded) for claim in claims)))


class _Ready(NamedTuple):
    """Everything but the images."""

    loaded: _Loaded
    claims: list[Claim]
    preparation: Preparation
    carried: Carried
    fingerprint: str


def _make_ready(paper: Paper, text: str, variant: str | None, peer: str | None, changes: Changes, tell: Tell) -> _Ready:
    """Find the weights and carry them into our network."""
    try:
        with _double_precision():
            tell("reading the weights", 0, 0)
            loaded = _load(paper, text, variant, peer)
            claims = _claims(paper, loaded)
            preparation = _preparation(loaded, claims, changes)
            fingerprint = weights.fingerprint(loaded.network.float().state_dict())
            tell("carrying them over", 0, 0)
            try:
                carried = _into_ours(paper, loaded, preparation.crop)
            except (RuntimeError, ValueError) as error:
                size = f"{preparation.crop} × {preparation.crop}"
                raise MeasurementError(f"inputs of {size} do not pass: {error}") from None
    except PeerNotInstalledError as error:
        raise CatalogError(str(error)) from None
    except MeasurementError as error:
        raise CatalogError(f"the weights cannot be carried into {paper.id}: {error}") from None
    return _Ready(loaded, claims, preparation, carried, fingerprint)


def outputs_of(
    network: nn.Module,
    folder: ImageFolder,
    preparation: Preparation,
    *,
    batch: int = BATCH,
    workers: int = 0,
    device: str = "cpu",
    limit: int | None = None,
) -> Iterator[tuple[Tensor, Tensor, list[str]]]:
    """What a network gives for the images of a folder, in its order, in full single precision.

    Yields:
        Of each batch the outputs (images, classes) and the labels (images,), on the CPU, and what could not be read.

    Raises:
        CatalogError: an output is no number, or a batch does not fit into the memory of the device.
    """
    import torch

    network.to(device).eval()
    for inputs, labels, unreadable in batches(folder, preparation, batch=batch, workers=workers, limit=limit):
        if len(labels) == 0:
            yield torch.empty(0, 0), labels, unreadable
            continue
        try:
            # TensorFloat-32, which torch uses for convolutions by itself, has a mantissa of ten bits.
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                outputs = network(inputs.to(device)).cpu()
        except torch.cuda.OutOfMemoryError:
            raise CatalogError(f"{batch} images at a time do not fit into the memory of {device}: --batch") from None
        if not outputs.isfinite().all():
            raise CatalogError("the network gives outputs that are no finite numbers: the weights are damaged")
        yield outputs, labels, unreadable


def _into_ours(paper: Paper, loaded: _Loaded, size: int) -> Carried:
    import torch

    from reproductions import build

    if loaded.road.model is None:
        with torch.no_grad():
            outputs = loaded.network.float().eval()(torch.zeros(1, 3, size, size, dtype=torch.float32))
        return Carried(loaded.network, None, outputs.shape[1])
    return carry(build(paper.id, loaded.road.variant, **loaded.road.options), loaded.network, size)


def _claims(paper: Paper, loaded: _Loaded) -> list[Claim]:
    """The headline claims that weights can decide."""
    return [
        claim
        for claim, subject, name in _headlines(paper)
        if (str(name), subject.variant) == (loaded.name, loaded.road.variant) and claim.measure is not None
    ]


def _belonging(claim: Claim, usual: Preparation) -> Preparation | None:
    """How images are prepared for a claim: as for its weights, in the sizes that it says; none where that is no way."""
    assert claim.subject is not None
    crop = _crop(claim.subject.protocol)
    return usual.of_size(*crop) if crop else None


def _preparation(loaded: _Loaded, claims: list[Claim], changes: Changes) -> Preparation:
    """How images are prepared: as for the first claim that says how, with the changes that are asked for."""
    wanted = {key: value for key, value in asdict(changes).items() if value is not None}
    usual = loaded.preparation
    if usual is None:
        if missing := [f"--{key}" for key in asdict(changes) if key not in wanted]:
            raise CatalogError(
                f"nothing says how images are prepared for {loaded.name}; say it by {listed(missing)}, or by --peer "
                "and the name of published weights whose images are prepared alike"
            )
        return Preparation(**wanted)
    usual = next((found for claim in claims if (found := _belonging(claim, usual))), usual)
    usual = usual.of_size(wanted.pop("crop", None), wanted.pop("resize", None))
    return replace(usual, **wanted)


def _judged(claim: Claim, evaluation: Evaluation, loaded: _Loaded) -> ClaimReport:
    from catalog.verify.runner import ClaimReport

    assert claim.measure is not None
    if reason := _why_undecided(claim, evaluation, loaded):
        return ClaimReport(claim, Status.NOT_RUN, f"undecided: {reason}", None, 0.0)
    measured = evaluation.measured[claim.measure.quantity]
    status, reason = judge(claim, measured)
    return ClaimReport(claim, status, reason, measured, evaluation.seconds)


def _why_undecided(claim: Claim, evaluation: Evaluation, loaded: _Loaded) -> str:
    """Why what was measured says nothing about a claim; empty when it decides it."""
    assert claim.subject is not None
    if loaded.why_not:
        return loaded.why_not
    if loaded.preparation is None:
        return f"nothing says how images are prepared for {loaded.name}"
    if claim.subject.data != evaluation.data:
        return f"it is about {claim.subject.data}, and this is {evaluation.data}"
    belonging = _belonging(claim, loaded.preparation)
    if belonging is None:
        return f"it is about {claim.subject.protocol}, and repro evaluate takes a single crop"
    if belonging != evaluation.preparation:
        return f"for it images are prepared otherwise: {belonging}"
    if evaluation.unreadable:
        return f"{counted(len(evaluation.unreadable), 'image')} cannot be read"
    if evaluation.images < len(evaluation.folder.items):
        return f"only {evaluation.images:,} of {len(evaluation.folder.items):,} images were seen"
    return evaluation.folder.why_not(evaluation.data)


def _device(asked: str | None) -> str:
    import torch

    if asked is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.partition(":")[0] not in ("cpu", "cuda"):
        raise CatalogError(f"--device '{asked}' is neither cpu nor cuda")
    if asked != "cpu" and not torch.cuda.is_available():
        raise CatalogError(f"--device {asked}: torch finds no GPU here")
    return asked
