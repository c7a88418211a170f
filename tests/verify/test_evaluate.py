"""Published weights carried into our networks and measured on images, against what their own library computes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner, Result

import reproductions
from catalog import cli, paths
from catalog.errors import CatalogError
from catalog.records import Claim, Paper, Peer, Status
from catalog.verify import MeasurementError, evaluate, images, parity, peers, weights
from catalog.verify.evaluate import Changes, Evaluation, carry, needs, outputs_of
from catalog.verify.images import ImageFolder, Preparation
from catalog.verify.ledger import Ledger
from catalog.verify.weights import Name, misfit, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from catalog import Library

timm = peers.import_library("timm")
registry = peers.import_library("timm.models._registry")
torchvision = peers.import_library("torchvision.models")

SIZE = 48
IMAGES = 24
MADE = "timm:resnet18.made_in1k"
CROP_PCT = 0.8
WAY = {"interpolation": "bicubic", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.25)}


# --- What is there to evaluate ---------------------------------------------------------------------------------------


def drawn(network: nn.Module, size: int = SIZE) -> nn.Module:
    """A network with everything that it learns or counts drawn at random."""
    generator = torch.Generator().manual_seed(1)
    parity.draw(network.eval(), torch.randn(2, 3, size, size, generator=generator), generator)
    return network


def filled(network: nn.Module) -> nn.Module:
    """The same, where no input is small enough to look at the signals."""
    generator = torch.Generator().manual_seed(2)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.05, 0.1, generator=generator).sub_(0.07 if tensor.dim() > 1 else 0)
    return network


def photograph(seed: int) -> Image.Image:
    """Blotches of colour, of some size and mode that photographs come in."""
    generator = torch.Generator().manual_seed(seed)
    blotches = torch.randint(256, (6, 7, 3), generator=generator, dtype=torch.uint8)
    picture = Image.frombytes("RGB", (7, 6), bytes(blotches.flatten().tolist()))
    width, height = (int(side) for side in torch.randint(40, 90, (2,), generator=generator))
    return picture.resize((width, height), Image.Resampling.BICUBIC).convert(("RGB", "L", "CMYK", "RGB")[seed % 4])


_CARRIED: dict[object, evaluate.Carried] = {}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not draw weights that are overwritten, and carry the same weights into the same network once."""

    def once(ours: nn.Module, theirs: nn.Module, size: int) -> evaluate.Carried:
        key = str(ours), str(theirs), size, *(tensor.sum().item() for tensor in theirs.state_dict().values())
        if key not in _CARRIED:
            _CARRIED[key] = carry(ours, theirs, size)
        return _CARRIED[key]

    monkeypatch.setattr(evaluate, "carry", once)
    for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "trunc_normal_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


@pytest.fixture(scope="module")
def peer() -> nn.Module:
    """timm's ResNet-18 with random weights: what is published."""
    return drawn(timm.create_model("resnet18"))


@pytest.fixture(scope="module")
def transform() -> Callable[[Image.Image], Tensor]:
    """timm's own preparation of images for these weights."""
    data = peers.import_library("timm.data")
    made: Callable[[Image.Image], Tensor] = data.create_transform(input_size=(3, SIZE, SIZE), crop_pct=CROP_PCT, **WAY)
    return made


@pytest.fixture(scope="module")
def logits(peer: nn.Module, transform: Callable[[Image.Image], Tensor]) -> Tensor:
    """What timm's network gives for timm's inputs, image by image."""
    with torch.no_grad():
        return peer(torch.stack([transform(photograph(seed).convert("RGB")) for seed in range(IMAGES)]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, logits: Tensor) -> Path:
    """A folder in which a quarter of the images lie in the class of the highest output, and half in the first five."""
    folder = tmp_path_factory.mktemp("imagenet")
    for label in range(1000):
        (folder / f"n{label:08d}").mkdir()
    ranks = [(0, 3, 5, 400)[seed % 4] for seed in range(IMAGES)]
    for seed, rank in enumerate(ranks):
        label = int(logits[seed].argsort(descending=True)[rank])
        # Lossless, under all the names that Pillow does not mind: it looks into the file.
        photograph(seed).save(folder / f"n{label:08d}" / f"{seed:03d}{('.JPEG', '.png')[seed % 2]}", format="TIFF")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, peer: nn.Module) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(peer.state_dict(), path)
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no weights are kept and that reaches nobody; where torch.hub would keep some."""
    constants = peers.import_library("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def made(hub: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """timm publishes our weights, and they have been fetched: its file is named by its sum, as usual."""
    begin = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]
    path = hub / f"resnet18-{begin}.pth"
    path.write_bytes(checkpoint.read_bytes())
    publish(monkeypatch, url=f"https://example.org/weights/{path.name}")
    return path


def publish(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    usual = registry._model_pretrained_cfgs["resnet18.tv_in1k"]
    name = MADE.partition(":")[2]
    settings = {"hf_hub_id": None, "input_size": (3, SIZE, SIZE), "crop_pct": CROP_PCT, **WAY} | settings
    published = dataclasses.replace(usual, tag="made_in1k", **settings)
    monkeypatch.setitem(registry._model_pretrained_cfgs, name, published)
    monkeypatch.setitem(registry._model_with_tags, "resnet18", [*registry._model_with_tags["resnet18"], name])


def headline(name: str = "top-1", **fields: Any) -> dict[str, Any]:
    subject = {"variant": "resnet18", "weights": MADE, "data": "imagenet", "protocol": f"single crop {SIZE}"}
    return {
        "id": name,
        "statement": "it is right that often",
        "source": "Table 1",
        "basis": "printed",
        "tier": "headline",
        "subject": subject | fields.pop("subject", {}),
        "measure": name,
        "printed": {"top-1": "25.0 %", "top-5": "50.0 %", "top-1-error": "0.75", "top-5-error": "50 %"}.get(name, "1"),
    } | fields


PARITY = {
    "id": "parity",
    "statement": "it is the function of timm's",
    "basis": "peer",
    "tier": "parity",
    "subject": {"variant": "resnet18", "input": [3, 64, 64]},
    "peer": {"library": "timm", "model": "resnet18"},
    "expect": {"outputs": {"at_most": 1e-10}},
}


def paper(*claims: dict[str, Any]) -> Paper:
    return Paper.model_validate(
        {
            "id": "resnet",
            "name": "ResNet",
            "title": "ResNet",
            "authors": ["A. Person"],
            "published": "2015",
            "taxonomy": ["topic"],
            "summary": "It says something.",
            "claims": claims
            or (headline("top-1"), headline("top-5"), headline("top-1-error"), headline("top-5-error")),
        }
    )


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let our few images be a whole data set."""
    monkeypatch.setattr(ImageFolder, "why_not", lambda *_: "")


def measured(text: str, place: Path, record: Paper | None = None, **options: Any) -> Evaluation:
    return evaluate.evaluate(record or paper(), text, f"imagenet={place}", batch=IMAGES, device="cpu", **options)


def complaint(text: str, place: Path, record: Paper | None = None, **options: Any) -> str:
    with pytest.raises(CatalogError) as error:
        measured(text, place, record, **options)
    return str(error.value)


def reasons(evaluation: Evaluation) -> list[str]:
    assert {claim.status for claim in evaluation.report.claims} == {Status.NOT_RUN}
    return list(dict.fromkeys(claim.reason for claim in evaluation.report.claims))


# --- The whole road --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("made", "whole")
def test_published_weights_decide_the_claims_that_name_them(place: Path, peer: nn.Module) -> None:
    told: list[tuple[str, int, int]] = []
    found = measured(MADE, place, tell=lambda *step: told.append(step))
    assert found.measured == {"top-1": 0.25, "top-5": 0.5, "top-1-error": 0.75, "top-5-error": 0.5}
    assert (found.images, found.right) == (IMAGES, {1: IMAGES // 4, 5: IMAGES // 2})
    assert [claim.status for claim in found.report.claims] == [Status.VERIFIED] * 4
    assert [claim.measured for claim in found.report.claims] == [0.25, 0.5, 0.75, 0.5]
    assert (found.variant, found.weights, found.peer) == ("resnet18", MADE, "timm:resnet18")
    assert found.difference is not None
    assert found.difference < 1e-12
    assert found.weights_fingerprint == weights.fingerprint(peer.state_dict())
    assert told[-1] == ("evaluating", IMAGES, IMAGES)
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.usefixtures("made")
def test_every_output_is_that_of_the_library_s_own_pipeline(
    place: Path, logits: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks: list[nn.Module] = []
    ours: list[Tensor] = []

    def kept(network: nn.Module, *args: Any, **kwargs: Any) -> Any:
        networks.append(network)
        for outputs, *others in outputs_of(network, *args, **kwargs):
            ours.append(outputs)
            yield outputs, *others

    monkeypatch.setattr(evaluate, "outputs_of", kept)
    found = measured(MADE, place)
    order = [int(Path(item.path).stem) for item in found.folder.items]
    assert sorted(order) == list(range(IMAGES))
    assert torch.equal(torch.cat(ours).argsort(), logits[order].argsort())
    assert torch.allclose(torch.cat(ours), logits[order], rtol=0, atol=1e-5 * logits.abs().max().item())

    # What people get wrong, and what nobody would see from the network alone.
    for wrong in (
        {"mean": WAY["std"], "std": WAY["mean"]},
        {"mean": (0, 0, 0), "std": (1, 1, 1)},
        {"crop": SIZE - 8},
        {"resize": SIZE},
        {"interpolation": "bilinear"},
    ):
        way = dataclasses.replace(found.preparation, **wrong)
        outputs = torch.cat([batch[0] for batch in outputs_of(networks[0], found.folder, way)])
        assert (outputs - logits[order]).abs().max() > 1e-3 * logits.abs().max()
    other = measured(MADE, place, changes=Changes(mean=WAY["std"], std=WAY["mean"]))
    assert "images are prepared otherwise: shorter side to 60" in reasons(other)[0]


@pytest.mark.usefixtures("made", "whole")
def test_a_figure_is_held_to_its_digits(place: Path) -> None:
    near = paper(headline("top-1", printed="24.9 %"), headline("top-5-error", printed="0.5"))
    found = measured(MADE, place, near)
    assert [claim.status for claim in found.report.claims] == [Status.FAILED, Status.VERIFIED]
    assert found.report.claims[0].reason == "measured 0.25, printed 24.9 %"


def test_weights_that_no_claim_names_decide_nothing(made: Path, place: Path) -> None:
    claim = headline("top-1", subject={"weights": "timm:resnet18.tv_in1k"})
    found = measured(MADE, place, paper(claim))
    assert not found.report.claims
    assert found.remark == f"no claim of resnet is about {MADE}"
    assert found.measured["top-1"] == 0.25


def test_a_file_decides_when_its_sum_is_that_of_published_weights(
    made: Path, place: Path, tmp_path: Path, whole: None
) -> None:
    mine = tmp_path / "downloaded.pth"
    made.rename(mine)
    found = measured(str(mine), place)
    assert found.weights == MADE
    assert [claim.status for claim in found.report.claims] == [Status.VERIFIED] * 4
    # The same tensors, but nobody can say where they come from.
    torch.save({"state_dict": read(mine)}, tmp_path / "copy.pth")
    found = measured(str(tmp_path / "copy.pth"), place, peer=MADE)
    assert not found.report.claims
    assert found.remark == "nothing shows that copy.pth holds published weights"
    assert found.measured["top-1"] == 0.25
    assert found.preparation.crop == SIZE


def test_a_published_file_with_another_content_decides_nothing(made: Path, place: Path, peer: nn.Module) -> None:
    torch.save(peer.state_dict() | {"fc.bias": torch.zeros(1000)}, made)
    (reason,) = reasons(measured(MADE, place))
    assert reason == (
        f"undecided: {made} is not the file that was published: its sum is not the one that it is named by"
    )


def test_weights_from_the_hub_of_hugging_face(
    hub: Path, place: Path, peer: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(monkeypatch, hf_hub_id="timm/resnet18.made_in1k", url=None)
    said = complaint(MADE, place)
    assert "timm:resnet18.made_in1k is not on this machine, and huggingface.co cannot be reached" in said
    snapshot = tmp_path / "hub" / "models--timm--resnet18.made_in1k" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(snapshot.name)
    save_file(peer.state_dict(), snapshot / "model.safetensors")
    found = measured(MADE, place, limit=1)
    assert found.weights_fingerprint == weights.fingerprint(peer.state_dict())


def test_our_record_of_xception(hub: Path, library: Library, place: Path, tmp_path: Path) -> None:
    theirs = filled(timm.create_model("legacy_xception"))
    save_file(theirs.state_dict(), tmp_path / "xception.safetensors")
    found = measured(
        str(tmp_path / "xception.safetensors"), place, library["xception"], changes=Changes(crop=75), limit=1
    )
    assert (found.variant, found.peer) == ("xception", "timm:legacy_xception")
    assert found.difference is not None
    assert found.difference < 1e-10
    assert found.preparation == Preparation(83, 75, "bicubic", (0.5,) * 3, (0.5,) * 3)
    assert "xception-43020ad28.pth" in complaint("timm:legacy_xception.tf_in1k", place, library["xception"])


@pytest.mark.parametrize(
    ("name", "library_name"),
    [("torchvision:resnet18.IMAGENET1K_V1", "torchvision"), ("pytorchcv:resnet18", "pytorchcv")],
)
def test_the_other_libraries(name: str, library_name: str, hub: Path, place: Path) -> None:
    source = weights.published(Name(*name.replace(":", ".").split("."), *[""][: library_name == "pytorchcv"]))
    assert source.preparation == Preparation(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert source.cached is not None
    source.cached.parent.mkdir(parents=True, exist_ok=True)
    theirs = filled(peers.build_peer(Peer.model_validate({"library": library_name, "model": "resnet18"})))
    torch.save(theirs.state_dict(), source.cached)
    protocol = "single crop of 224 from a shorter side of 256"
    record = paper(headline(subject={"weights": name, "protocol": protocol}))
    if library_name == "pytorchcv":  # which pools 7 × 7
        said = complaint(name, place, record, changes=Changes(crop=64))
        assert "carried into resnet: inputs of 64 × 64 do not pass: " in said
    small = Changes() if library_name == "pytorchcv" else Changes(crop=64)
    found = measured(name, place, record, limit=1, changes=small)
    assert found.weights_fingerprint == weights.fingerprint(theirs.state_dict())
    assert found.preparation == source.preparation.of_size(small.crop)
    assert "is not the file that was published" in reasons(found)[0]


def test_networks_of_torchvision_that_change_their_input() -> None:
    source = weights.published(Name("torchvision", "googlenet", "IMAGENET1K_V1"))
    usual = drawn(torchvision.get_model("googlenet", weights=None, transform_input=True, init_weights=False), 64)
    network = source.network(usual.state_dict(), {"aux_logits": False, "init_weights": False}).eval()
    assert not any(key.startswith("aux") for key in network.state_dict())
    picture = photograph(0).convert("RGB").resize((300, 280))
    theirs = torchvision.get_model_weights("googlenet")["IMAGENET1K_V1"].transforms()(picture)[None]
    with torch.no_grad():
        expected = usual(theirs)
        assert torch.allclose(network(source.preparation(picture)[None]), expected, rtol=1e-3)
        assert not torch.allclose(network(theirs), expected, rtol=1e-1)
        assert torch.equal(source.network(usual.state_dict(), {}).eval()(theirs), network(theirs))


def test_a_network_of_our_own(place: Path, tmp_path: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not all of them, for the deepest have a thousand layers.
    monkeypatch.setattr(reproductions, "variants", lambda _: ["resnet18", "plain34", "resnet34-a"])

    ours = filled(reproductions.build("resnet", "plain34"))
    torch.save({"model": {f"module.{key}": tensor for key, tensor in ours.state_dict().items()}}, tmp_path / "ours.pt")
    path = str(tmp_path / "ours.pt")
    # Shortcuts without parameters leave no trace in a file.
    assert "which variant ours.pt belongs to; say --variant plain34 or resnet34-a" in complaint(path, place)
    said = complaint(path, place, variant="plain34")
    assert "nothing says how images are prepared for" in said
    assert "say it by --crop, --resize, --interpolation, --mean and --std" in said
    way = Changes(SIZE, SIZE, "bilinear", (0.5,) * 3, (0.5,) * 3)
    found = measured(path, place, variant="Plain_34", changes=way, limit=2)
    assert (found.variant, found.peer, found.difference, found.libraries) == ("plain34", None, None, ())
    assert found.weights_fingerprint == weights.fingerprint(ours.state_dict())
    assert not found.report.claims


# --- From the command line -------------------------------------------------------------------------------------------


@pytest.fixture
def repro(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """`repro evaluate` on our paper, with results that are nobody's."""

    def run(*arguments: object, status: int = 0, record: Paper | None = None) -> Result:
        class Papers:
            def resolve(self, name: str) -> tuple[Paper]:
                return (record or paper(),)

        monkeypatch.setattr(cli, "_library", Papers)
        words = ["evaluate", "resnet", "--workers", "0", "--device", "cpu", *map(str, arguments)]
        result = CliRunner().invoke(cli.app, words, prog_name="repro")
        assert result.exit_code == status, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), "no traceback, whatever happens"
        return result

    monkeypatch.setattr(paths, "results_folder", lambda: tmp_path / "results")
    return run


@pytest.mark.usefixtures("made", "whole")
def test_command(place: Path, repro: Callable[..., Result], peer: nn.Module) -> None:
    arguments = ("--weights", "timm:resnet18.made_in1k", "--data", f"imagenet={place}")
    text = repro(*arguments, "--record").stdout
    assert "from timm:resnet18; on a random input, in double precision, no output differs" in " ".join(text.split())
    assert f"{IMAGES} images in 1,000 classes" in " ".join(text.split())
    assert "shorter side to 60 (bicubic), the middle 48 × 48, mean 0.5 0.4 0.3, std 0.2 0.3 0.25" in " ".join(
        text.split()
    )
    assert "top-1  25.000 %  error 75.000 %   6 of 24" in text
    assert "top-5  50.000 %  error 50.000 %  12 of 24" in text
    assert "verified  top-1  measured 0.25, printed 25.0 % (Table 1)" in text

    entry = Ledger.load("resnet").entry("top-5")
    assert entry is not None
    assert (entry.status, entry.measured, entry.environment) == (Status.VERIFIED, 0.5, "cpu")
    assert entry.data == {"imagenet": ImageFolder.read(place).fingerprint}
    assert entry.weights == {MADE: weights.fingerprint(peer.state_dict())}
    assert entry.versions.keys() == {"python", "torch", "timm"}
    assert "says the same already" in repro(*arguments, "--record").stderr

    document = json.loads(repro(*arguments, "--json").stdout)
    assert document["measured"] == {"top-1": 0.25, "top-5": 0.5, "top-1-error": 0.75, "top-5-error": 0.5}
    assert document["data"]["classes"] == 1000
    assert document["summary"]["verified"] == 4
    wrong = paper(headline("top-1", printed="26.0 %"))
    text = repro(*arguments, status=1, record=wrong).stdout
    assert text.endswith("failed  top-1  (Table 1)\n    measured 0.25, printed 26.0 %\n")


@pytest.mark.usefixtures("made", "whole")
def test_a_part_of_the_images_decides_nothing(place: Path, repro: Callable[..., Result]) -> None:
    arguments = ("--weights", MADE, "--data", f"imagenet={place}", "--limit", "5")
    text = repro(*arguments).stdout
    assert "Of only 5 of 24 images:" in text
    assert "undecided: only 5 of 24 images were seen" in text
    assert "--record or --limit" in repro(*arguments, "--record", status=2).stderr


@pytest.mark.usefixtures("made", "whole")
def test_unreadable_images_are_named(place: Path, repro: Callable[..., Result], tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for label in range(1000):
        (folder / f"n{label:08d}").mkdir(parents=True)
    photograph(0).save(folder / "n00000000" / "whole.png")
    whole = (folder / "n00000000" / "whole.png").read_bytes()
    (folder / "n00000001" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "n00000002" / "empty.jpg").touch()
    (folder / "n00000003" / "text.jpg").write_text("no image")
    result = repro("--weights", MADE, "--data", f"imagenet={folder}", "--record", status=2)
    assert "undecided: 3 images cannot be read" in result.stdout
    assert "that cannot be read:\n    n00000001/cut.png (" in result.stderr
    assert "n00000003/text.jpg (no image)" in result.stderr
    assert "nothing is decided, so nothing is recorded" in result.stderr
    assert not (tmp_path / "results").exists()
    (folder / "n00000000" / "whole.png").unlink()
    assert "none of the images" in repro("--weights", MADE, "--data", f"imagenet={folder}", status=2).stderr


def test_weights_that_are_not_here_are_said_to_be_so_at_once(
    hub: Path, place: Path, repro: Callable[..., Result]
) -> None:
    started = time.monotonic()
    for name, host in {
        "timm:resnet18.a1_in1k": "huggingface.co",
        "timm:legacy_xception.tf_in1k": "github.com",
        "torchvision:resnet18.IMAGENET1K_V1": "download.pytorch.org",
        "pytorchcv:resnet18": "github.com",
    }.items():
        said = repro("--weights", name, "--data", f"imagenet={place}", "--variant", "resnet18", status=2).stderr
        assert f"{name} is not on this machine, and {host} cannot be reached; " in said
        assert str(hub if "torch" in name and "cv" not in name else "") in said
    assert time.monotonic() - started < 5


@pytest.mark.usefixtures("hub")
def test_what_cannot_be_evaluated(place: Path, checkpoint: Path, tmp_path: Path) -> None:
    path = str(checkpoint)
    assert "no file keras:x; published weights are written timm:NAME" in complaint("keras:x", place)
    assert "there is no file" in complaint(str(tmp_path / "none.pth"), place)
    assert "timm has no model 'resnet1'; did you mean " in complaint("timm:resnet1", place)
    assert "torchvision has no model 'resnet1'" in complaint("torchvision:resnet1.V1", place)
    assert "pytorchcv has no model 'resnet1'" in complaint("pytorchcv:resnet1", place)
    assert "publishes no weights timm:resnet18.x; for resnet18 there are" in complaint("timm:resnet18.x", place)
    assert "torchvision:resnet50 may be torchvision:resnet50.IMAGENET1K_V1 or" in complaint(
        "torchvision:resnet50", place
    )
    assert "--peer is for files" in complaint("timm:resnet18.tv_in1k", place, peer="timm:resnet18")
    assert "--peer 'resnet18' is no model" in complaint(path, place, peer="resnet18")
    said = complaint("torchvision:resnet34", place)
    assert "no claim of resnet says which variant torchvision:resnet34.IMAGENET1K_V1 belongs to; say --variant" in said
    assert "no variant of resnet is called 'resnet19'; did you mean" in complaint(path, place, variant="resnet19")
    assert "is neither cpu nor cuda" in complaint_of(path, place, device="tpu")
    said = complaint(path, place, peer="timm:resnet50", variant="resnet50")
    assert said.startswith(f"{path} fits none of timm:resnet50\n    timm:resnet50: missing layer1.0.conv3.weight, ")
    assert "publishes no weights timm:resnet18.x" in complaint(path, place, peer="timm:resnet18.x")
    xception = paper(PARITY | {"peer": {"library": "timm", "model": "resnet34"}}).model_copy(update={"id": "xception"})
    said = complaint(path, place, xception)
    assert "fits none of timm:resnet34, our xception, our xception-nores, " in said
    assert "; --peer says which model it is for\n" in said
    assert "timm:resnet34: missing layer1.2.conv1.weight, " in said
    nothing = paper().model_copy(update={"id": "googlenet-of-nobody"})
    assert "has no network here" in complaint(path, place, nothing)


def complaint_of(text: str, place: Path, **options: Any) -> str:
    with pytest.raises(CatalogError) as error:
        evaluate.evaluate(paper(), text, f"imagenet={place}", **options)
    return str(error.value)


@pytest.mark.usefixtures("made")
def test_networks_that_are_not_one_function(place: Path) -> None:
    other = headline("top-1", subject={"variant": "plain18"})
    said = complaint(MADE, place, paper(other))
    assert said.startswith("the weights cannot be carried into resnet: ")
    assert "layer1.0" in said


# --- Claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, f"repro evaluate resnet --weights {MADE} --data imagenet=DIR measures it"),
        (
            {"subject": {"weights": "authors:ResNet-50"}},
            f"needs the data set imagenet (single crop {SIZE}) and the weights authors:ResNet-50, which repro evaluate "
            "cannot read",
        ),
        (
            {"subject": {"protocol": "10 crops of 224"}},
            f"needs the data set imagenet (10 crops of 224) and the weights {MADE}; repro evaluate takes a single crop",
        ),
        (
            {"subject": {"weights": None}},
            f"needs the data set imagenet (single crop {SIZE}) and trained weights, and none are named",
        ),
        ({"measure": None, "subject": None}, "needs data of the paper and trained weights, and none are named"),
        (
            {"measure": None},
            f"needs the data set imagenet (single crop {SIZE}) and the weights {MADE}; no measurement is recorded for "
            "it",
        ),
    ],
)
def test_what_a_headline_claim_needs(fields: dict[str, Any], says: str) -> None:
    claim = headline("top-1") | fields
    if fields.get("subject"):
        claim["subject"] = headline("top-1")["subject"] | fields["subject"]
    assert needs("resnet", Claim.model_validate(claim)) == says


def test_the_commands_that_the_records_lead_to(library: Library) -> None:
    said = {needs(paper.id, claim) for paper in library for claim in paper.claims if claim.tier == "headline"}
    assert "repro evaluate xception --weights timm:legacy_xception.tf_in1k --data imagenet=DIR measures it" in said
    assert "repro evaluate senet --weights timm:legacy_senet154.in1k --data imagenet=DIR measures it" in said


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"measure": "parameters"}, "a headline claim is measured by one of top-1, top-5, top-1-error, top-5-error"),
        ({"check": "top_1"}, "a headline claim is measured by one of top-1"),
        ({"subject": None}, "top-1 is measured on something: subject.data and subject.protocol"),
        ({"subject": {"variant": "resnet18", "data": "imagenet"}}, "top-1 is measured on something"),
        ({"printed": {"top-1": "25 %"}}, "top-1 is one number"),
        ({"measure": "top-2"}, "no measure 'top-2'"),
        ({"tier": "structure", "expect": {"equals": 1}}, "top-1 takes trained weights, so only a headline claim"),
    ],
)
def test_claims_that_could_not_be_measured(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Claim.model_validate(headline("top-1") | changes)


@pytest.mark.parametrize(
    ("protocol", "sizes"),
    [
        ("single crop 299", (299, None)),
        ("single crop of 224 from a shorter side of 256", (224, 256)),
        ("single crop", (None, None)),
        ("10 crops of 224", None),
        ("single crop 299; averaged over models", None),
    ],
)
def test_protocols(protocol: str, sizes: tuple[int | None, int | None] | None) -> None:
    assert evaluate._crop(protocol) == sizes


@pytest.mark.usefixtures("made")
def test_what_keeps_a_claim_undecided(place: Path) -> None:
    # The first claim that says how images are prepared is followed; others are not decided with it.
    many = headline("top-1-error", subject={"protocol": "10 crops of 48"})
    other = headline("top-5", subject={"protocol": "single crop of 40 from a shorter side of 44"})
    found = measured(MADE, place, paper(many, other, headline("top-1")))
    assert (found.preparation.resize, found.preparation.crop) == (44, 40)
    assert [reason.removeprefix("undecided: ") for reason in reasons(found)] == [
        "it is about 10 crops of 48, and repro evaluate takes a single crop",
        "the ILSVRC 2012 validation set has 50,000 images, and here are 24",
        "for it images are prepared otherwise: shorter side to 60 (bicubic), the middle 48 × 48, mean 0.5 0.4 0.3, "
        "std 0.2 0.3 0.25",
    ]
    found = evaluate.evaluate(paper(headline()), MADE, f"imagenet-v2={place}", device="cpu", limit=1)
    assert reasons(found) == ["undecided: it is about imagenet, and this is imagenet-v2"]


# --- Images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (333, 333), (301, 640), (60, 59)])
def test_preparation_is_that_of_the_libraries_in_every_bit(size: tuple[int, int]) -> None:
    picture = photograph(0).convert("RGB").resize(size)
    data = peers.import_library("timm.data")
    theirs = data.create_transform(input_size=(3, 299, 299), crop_pct=0.8975, **WAY)
    assert torch.equal(Preparation(333, 299, *WAY.values())(picture), theirs(picture))  # type: ignore[arg-type]
    member = torchvision.get_model_weights("resnet50")["IMAGENET1K_V2"]
    ours = weights.published(Name("torchvision", "resnet50", "IMAGENET1K_V2")).preparation
    assert torch.equal(ours(picture), member.transforms()(picture))


def test_sizes_of_a_preparation() -> None:
    usual = Preparation(256, 224, "bilinear", (0.5,) * 3, (0.5,) * 3)
    assert usual.of_size(None) == usual
    assert usual.of_size(448) == Preparation(512, 448, "bilinear", (0.5,) * 3, (0.5,) * 3)
    assert usual.of_size(None, 224).resize == 224
    for wrong in (
        {"crop": 300},
        {"crop": 0},
        {"interpolation": "cubic"},
        {"std": (0, 1, 1)},
        {"mean": (float("nan"),) * 3},
    ):
        with pytest.raises(CatalogError):
            dataclasses.replace(usual, **wrong)


def test_folders_of_images(tmp_path: Path) -> None:
    def says(place: Path) -> str:
        with pytest.raises(CatalogError) as error:
            ImageFolder.read(place)
        return str(error.value)

    root = tmp_path / "root"
    assert says(root) == f"there is no folder {root}"
    root.mkdir()
    assert "is empty" in says(root)
    photograph(0).save(root / "ILSVRC2012_val_00000001.JPEG")
    assert "the images lie in" in says(root)
    assert "torchvision.datasets.ImageNet" in says(root)
    for name in ("b", "a10", "a9/inner", ".hidden"):
        (root / name).mkdir(parents=True)
    assert "no image in the 3 class folders" in says(root)
    for name in ("b/2.PNG", "b/1.jpeg", "a9/inner/3.webp", "a10/notes.txt", ".hidden/4.png", "a10/.5.png"):
        (root / name).write_text("x")
    folder = ImageFolder.read(root)
    assert folder.classes == ("a10", "a9", "b")
    assert folder.items == (("a9/inner/3.webp", 1), ("b/1.jpeg", 2), ("b/2.PNG", 2))
    with pytest.raises(CatalogError, match=r"has 3 class folders, a10 to b; .* only when there are 1,000"):
        folder.expect_classes(1000)
    (root / "b/1.jpeg").write_text("xx")
    longer = ImageFolder.read(root).fingerprint
    (root / "b/1.jpeg").rename(root / "b/0.jpeg")
    assert len({folder.fingerprint, longer, ImageFolder.read(root).fingerprint}) == 3
    (tmp_path / "val").symlink_to(root)
    (tmp_path / "train").mkdir()
    assert "the classes are in" in says(tmp_path)
    os.chmod(root / "b", 0)
    if os.geteuid() != 0:
        assert "cannot be read" in says(root)
    os.chmod(root / "b", 0o755)


def test_what_makes_a_folder_the_whole_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(images.DATA_SETS, "imagenet", images.DataSet("set", 3, 2, r"n\d{8}"))
    for name in ("n00000001/1.png", "n00000001/2.png", "n00000002/3.png", "n00000002/4.png", "n00000003/5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def why() -> str:
        return ImageFolder.read(tmp_path).why_not("imagenet")

    assert why() == "the set has 6 images, and here are 5"
    (tmp_path / "n00000002/6.png").touch()
    assert why() == "the set has 2 images in each of 3 classes"
    (tmp_path / "n00000002/6.png").rename(tmp_path / "n00000003/6.png")
    assert why() == ""
    (tmp_path / "n00000003").rename(tmp_path / "zebra")
    assert "are named by WordNet" in why()
    assert "one here is called zebra" in why()
    assert "nobody told repro" in ImageFolder.read(tmp_path).why_not("places")


def test_processes_that_read_images_give_the_same(place: Path) -> None:
    folder = ImageFolder.read(place)
    way = Preparation(50, SIZE, "bilinear", (0.5,) * 3, (0.5,) * 3)
    one, two = (list(images.batches(folder, way, batch=7, workers=workers, limit=12)) for workers in (0, 2))
    assert [len(batch.labels) for batch in one] == [7, 5]
    for here, there in zip(one, two, strict=True):
        assert torch.equal(here.inputs, there.inputs)
        assert torch.equal(here.labels, there.labels)
    assert torch.cat([batch.labels for batch in one]).tolist() == [item.label for item in folder.items[::2]]


# --- Weights ---------------------------------------------------------------------------------------------------------


class Executed:
    """What a pickle of it does when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def test_no_code_in_a_file_is_executed(tmp_path: Path) -> None:
    for new in (True, False):
        torch.save({"weight": Executed(tmp_path / "seen")}, tmp_path / "evil.pth", _use_new_zipfile_serialization=new)
        with pytest.raises(
            CatalogError, match=r"evil.pth holds more than tensors: reading it would execute posix.mkdir"
        ):
            read(tmp_path / "evil.pth")
    torch.save(nn.Linear(1, 1), tmp_path / "network.pt")
    with pytest.raises(CatalogError, match=r"would execute torch.nn.modules.linear.Linear, so it is not read"):
        read(tmp_path / "network.pt")
    assert not (tmp_path / "seen").exists()


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    def says(name: str, content: object) -> str:
        path = tmp_path / name
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        with pytest.raises(CatalogError) as error:
            read(path)
        return str(error.value).removeprefix(f"{path} ")

    state = {"weight": torch.randn(50, 50)}
    torch.save(state, tmp_path / "whole.pth")
    save_file(state, tmp_path / "whole.safetensors")
    for name, words in {"cut.pth": "damaged or cut off", "cut.safetensors": "is no whole safetensors file"}.items():
        whole = (tmp_path / name.replace("cut", "whole")).read_bytes()
        for length in (0, 5, len(whole) // 2, len(whole) - 1):
            assert words in says(name, whole[:length]) or "no file of weights" in says(name, whole[:length])
    assert "no file of weights" in says("text.pth", b"<html>404 Not Found</html>")
    assert "holds no state dict: list instead" in says("list.pth", [torch.zeros(1)])
    assert "holds no state dict: there is no tensor under epoch" in says(
        "odd.pth", {"epoch": 3, "weight": torch.zeros(1)}
    )
    assert "holds no state dict: dict instead" in says("empty.pth", {})
    with pytest.raises(CatalogError, match="there is no file"):
        read(tmp_path)


def test_where_checkpoints_keep_the_weights(tmp_path: Path) -> None:
    state = {"weight": torch.randn(3)}
    other = {"weight": torch.zeros(3)}
    for content in (
        state,
        {"state_dict": state, "epoch": 3},
        {"model": state, "optimizer": {"step": 1}},
        {"state_dict": other, "state_dict_ema": state},
        {"module.weight": state["weight"]},
        {"state_dict": {"_orig_mod.module.weight": state["weight"]}},
    ):
        torch.save(content, tmp_path / "file.pth")
        found = read(tmp_path / "file.pth")
        assert found.keys() == {"weight"}
        assert torch.equal(found["weight"], state["weight"])


def test_what_does_not_fit_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    state = network.state_dict()
    assert misfit({key: value for key, value in state.items() if "tracked" not in key}, network) == ""
    changed = {f"features.{key}": value for key, value in state.items()}
    assert misfit(changed, network) == (
        "missing 0.weight, 0.bias, 1.weight and 3 more, "
        "unexpected features.0.weight, features.0.bias, features.1.weight and 4 more"
    )
    assert misfit(state | {"0.bias": torch.zeros(5)}, network) == "of another shape 0.bias ([5] instead of [4])"


def test_fingerprints_are_of_the_tensors() -> None:
    state = {"a": torch.randn(3), "b": torch.arange(4)}
    same = {"b": state["b"].clone(), "a": state["a"].clone(), "norm.num_batches_tracked": torch.tensor(7)}
    assert weights.fingerprint(state) == weights.fingerprint(same)
    for other in ({"a": state["a"]}, state | {"a": state["a"] + 1e-6}, state | {"b": state["b"].reshape(2, 2)}):
        assert weights.fingerprint(state) != weights.fingerprint(other)


# --- Carrying --------------------------------------------------------------------------------------------------------


def small(stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=stride),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )


def test_weights_are_carried_even_where_layers_are_dead() -> None:
    theirs = drawn(small(), 12)
    with torch.no_grad():
        theirs[1].weight.zero_()  # type: ignore[index, union-attr]
        theirs[4].weight.zero_()  # type: ignore[index, union-attr]
    before = {key: tensor.clone() for key, tensor in theirs.state_dict().items()}
    carried = carry(small(), theirs, 12)
    assert (carried.difference, carried.classes) == (0, 5)
    for key, tensor in carried.network.state_dict().items():
        assert tensor.dtype == before[key].dtype
        assert torch.equal(tensor, before[key])


def test_what_is_not_one_function_is_not_evaluated() -> None:
    with pytest.raises(MeasurementError, match="stride"):
        carry(small(2), drawn(small(), 12), 12)
    with pytest.raises(MeasurementError, match=r"an output of ours differs from the peer's by \d"):
        carry(nn.Sequential(*small().children(), nn.Softmax(1)), drawn(small(), 12), 12)
    with pytest.raises(MeasurementError, match="do not both give one number"):
        carry(nn.Sequential(*small().children(), nn.Unflatten(1, (1, 5))), drawn(small(), 12), 12)


def test_weights_that_are_damaged_are_noticed(place: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 5))
    nn.init.constant_(network[1].bias, float("nan"))  # type: ignore[arg-type]
    way = Preparation(SIZE, SIZE, "bilinear", (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(CatalogError, match="no finite numbers"):
        next(outputs_of(network, ImageFolder.read(place), way))
