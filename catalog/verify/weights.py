"""Published weights: by which name they go, in which file they come, and how images are prepared for them.

A name is ``timm:legacy_xception.tf_in1k``, ``torchvision:resnet50.IMAGENET1K_V1`` or ``pytorchcv:xception``. The file
is taken from where the library keeps it, else fetched. No file is ever read in a way that could execute code.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import sys
import warnings
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from catalog.errors import CatalogError
from catalog.names import closest
from catalog.text import listed
from catalog.verify.images import Preparation
from catalog.verify.peers import import_library

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor, nn

__all__ = [
    "LIBRARIES",
    "Name",
    "Published",
    "fingerprint",
    "misfit",
    "of_model",
    "published",
    "read",
    "recognised",
    "split",
]

LIBRARIES = ("timm", "torchvision", "pytorchcv")
"""Who publishes weights."""

TIMEOUT = (3, 10)
"""Seconds to wait for a server to be reached, at each of its addresses, and for what it says."""

State = dict[str, "Tensor"]


class Name(NamedTuple):
    """The name of weights, or of a model alone, in its parts."""

    library: str
    model: str
    tag: str
    """Which weights; empty where a library has one set for each model, or where its usual ones are meant."""

    @property
    def bare(self) -> Name:
        """That of the model."""
        return self._replace(tag="")

    def __str__(self) -> str:
        return f"{self.library}:{self.model}" + (f".{self.tag}" if self.tag else "")


def split(text: str) -> Name | None:
    """The parts of ``timm:legacy_xception.tf_in1k``; none where a text is no name of this kind."""
    library, _, rest = text.partition(":")
    model, _, tag = rest.partition(".")
    return Name(library, model, tag) if library in LIBRARIES and model else None


# --- What is published -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """A set of weights that a library publishes for one of its models."""

    name: Name
    preparation: Preparation | None
    """How images are prepared for them; none where the library does not say, or does it in no such way."""
    address: str | None
    cached: Path | None
    """Where the library keeps the file from that address."""
    checksum: tuple[str, str] | None
    """An algorithm and how the file's sum begins."""
    repository: tuple[str, str | None, str | None] | None = None
    """On the hub of Hugging Face: its id, revision and the file, where that is not the usual one."""

    def obtain(self) -> Path:
        """The file with these weights, from this machine or fetched.

        Raises:
            CatalogError: it is neither here nor to be had; the message says where it can be put.
        """
        if self.repository is not None and (path := self._from_hub(self.repository, local=True)) is not None:
            return path
        if self.cached is not None and self.cached.is_file():
            return self.cached
        if self.repository is not None:
            self._reach(import_library("huggingface_hub.constants").ENDPOINT)
            if (path := self._from_hub(self.repository, local=False)) is not None:
                return path
        if self.address is None or self.cached is None:
            raise CatalogError(f"{self.name.library} publishes no weights {self.name}")
        self._reach(self.address)
        try:
            with contextlib.redirect_stdout(sys.stderr), _patience():
                return self._download(self.address, self.cached)
        except Exception as error:  # of urllib, requests or zipfile, or a wrong sum
            raise CatalogError(f"{self.address} could not be fetched: {error}") from None

    def network(self, state: State, options: Mapping[str, Any]) -> nn.Module:
        """The library's model with these weights, which it may have to rename or cut first.

        Args:
            state: what the file holds.
            options: keywords of the library's factory.

        Raises:
            CatalogError: they do not fit.
        """
        try:
            return _NETWORKS[self.name.library](self.name, state, dict(options))
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise CatalogError(f"these are no weights of {self.name}: {' '.join(str(error).split())[:300]}") from None

    def _from_hub(self, repository: tuple[str, str | None, str | None], *, local: bool) -> Path | None:
        identifier, revision, file = repository
        hub, errors = import_library("huggingface_hub"), import_library("huggingface_hub.errors")
        for name in (file,) if file else ("model.safetensors", "pytorch_model.bin"):
            try:
                return Path(hub.hf_hub_download(identifier, name, revision=revision, local_files_only=local))
            except errors.EntryNotFoundError:  # also where it is not here
                continue
            except Exception as error:
                raise CatalogError(f"{identifier} could not be fetched from the hub: {error}") from None
        return None

    def _download(self, address: str, to: Path) -> Path:
        if self.name.library == "pytorchcv":  # it publishes archives
            store = import_library("pytorchcv.models.common.model_store")
            return Path(store.get_model_file(self.name.model))
        import torch

        to.parent.mkdir(parents=True, exist_ok=True)
        begin = self.checksum[1] if self.checksum else None
        torch.hub.download_url_to_file(address, str(to), begin, progress=sys.stderr.isatty())
        return to

    def _reach(self, address: str) -> None:
        """See whether a server answers: the libraries try again and again, some of them without an end."""
        import requests

        try:
            requests.head(address, timeout=TIMEOUT)
        except requests.RequestException:
            host = address.split("/")[2]
            where = f"fetch {self.address} elsewhere and put it at {self.cached}"
            if self.address is None or self.cached is None:
                identifier = self.repository[0] if self.repository else ""
                where = f"fetch {identifier} elsewhere and copy its folder to the cache of huggingface_hub"
            elif self.address.endswith(".zip"):
                where = f"unpack {self.address} elsewhere and put what is in it at {self.cached}"
            raise CatalogError(f"{self.name} is not on this machine, and {host} cannot be reached; {where}") from None


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Give up a connection that is silent for too long."""
    import socket

    usual = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT[1])
    try:
        yield
    finally:
        socket.setdefaulttimeout(usual)


def published(name: Name) -> Published:
    """The published weights of a name; without a tag those that its library takes by itself.

    Raises:
        PeerNotInstalledError: the library is not installed.
        CatalogError: it knows no such model or no such weights.
    """
    known = of_model(name)
    if not known:
        raise CatalogError(f"{name.library} publishes no weights for {name.model}")
    if not name.tag:
        if name.library == "torchvision" and len(known) > 1:
            raise CatalogError(f"{name} may be {_either(known)}")
        return known[0]
    for weights in known:
        if weights.name == name:
            return weights
    raise CatalogError(f"{name.library} publishes no weights {name}; for {name.model} there are {_either(known)}")


def _either(known: list[Published]) -> str:
    return listed((weights.name for weights in known), "or")


def of_model(name: Name) -> list[Published]:
    """All weights that a library publishes for a model, its usual ones first; see :func:`published`."""
    return _FINDERS[name.library](name)


def recognised(path: Path, candidates: Iterable[Published]) -> Published | None:
    """Which of some published weights a file is, by the sum of its content."""
    sums: dict[str, str] = {}
    for candidate in candidates:
        if candidate.checksum is not None:
            algorithm, begin = candidate.checksum
            if algorithm not in sums:
                with path.open("rb") as stream:
                    sums[algorithm] = file_digest(stream, algorithm).hexdigest()
            if sums[algorithm].startswith(begin):
                return candidate
    return None


def _unknown(name: Name, models: list[str]) -> CatalogError:
    near = closest(name.model, models)
    hint = f"; did you mean {listed(near, 'or')}?" if near else ""
    return CatalogError(f"{name.library} has no model '{name.model}'{hint}")


def _checksum(address: str | None) -> tuple[str, str] | None:
    """What a file name says of its content, as torch.hub reads it: ``resnet50-0676ba61.pth``."""
    found = re.search(r"-([a-f0-9]{8,})\.", address.rpartition("/")[2]) if address else None
    return ("sha256", found[1]) if found else None


def _hub_cache(address: str | None) -> Path | None:
    import torch

    return Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2]) if address else None


def _of_timm(name: Name) -> list[Published]:
    timm = import_library("timm.models")
    try:
        usual = timm.get_pretrained_cfg(name.model, allow_unregistered=False)
    except RuntimeError:
        raise _unknown(name, import_library("timm").list_models()) from None
    others = timm.get_arch_pretrained_cfgs(name.model).values()
    return [
        Published(
            name=name._replace(tag=settings.tag),
            preparation=_preparation_by_timm(settings),
            address=settings.url or None,
            cached=_hub_cache(settings.url),
            checksum=_checksum(settings.url),
            repository=_repository(settings),
        )
        for settings in (usual, *(other for other in others if other.tag != usual.tag))
        if settings.has_weights
    ]


def _repository(settings: Any) -> tuple[str, str | None, str | None] | None:
    if not settings.hf_hub_id:
        return None
    identifier, _, revision = settings.hf_hub_id.partition("@")
    return identifier, revision or None, settings.hf_hub_filename


def _preparation_by_timm(settings: Any) -> Preparation | None:
    config = import_library("timm.data").resolve_data_config(pretrained_cfg=settings.to_dict(), use_test_size=True)
    channels, height, width = config["input_size"]
    if channels != 3 or height != width or config["crop_mode"] != "center":
        return None
    resize = math.floor(height / config["crop_pct"])
    return Preparation(resize, height, config["interpolation"], tuple(config["mean"]), tuple(config["std"]))


def _of_torchvision(name: Name) -> list[Published]:
    models = import_library("torchvision.models")
    try:
        members = list(models.get_model_weights(name.model))
    except ValueError:
        raise _unknown(name, models.list_models()) from None
    return [
        Published(
            name=name._replace(tag=member.name),
            preparation=_preparation_by_torchvision(name.model, member.transforms()),
            address=member.url,
            cached=_hub_cache(member.url),
            checksum=_checksum(member.url),
        )
        for member in members
    ]


_INCEPTION = {"googlenet", "inception_v3"}
"""Networks of torchvision that turn its usual normalisation into their own themselves."""


def _preparation_by_torchvision(model: str, transforms: Any) -> Preparation | None:
    try:
        (resize,), (crop,) = transforms.resize_size, transforms.crop_size
        mean, std = tuple(transforms.mean), tuple(transforms.std)
        if model in _INCEPTION:
            mean = std = (0.5, 0.5, 0.5)
        return Preparation(resize, crop, transforms.interpolation.value, mean, std)
    except (AttributeError, TypeError, ValueError):
        return None


def _of_pytorchcv(name: Name) -> list[Published]:
    store = import_library("pytorchcv.models.common.model_store")
    head, *rows = store.load_csv(store.get_model_metainfos_file_path())
    rows = [dict(zip(head, row, strict=False)) for row in rows]
    found = next((row for row in rows if row["model_name"] == name.model and not name.tag), None)
    if found is None:
        raise _unknown(name, [row["model_name"] for row in rows])
    file = f"{name.model}-{found['error_value']}-{found['checksum'][:8]}.pth"
    release = f"{store.imgclsmob_repo_url}/releases/download/{found['repo_release_tag']}"
    preparation = None
    if found["test_dataset"] == "in1k":
        crop = int(found["img_size"])
        # As its authors evaluate: https://github.com/osmr/imgclsmob, pytorch/datasets/imagenet1k_cls_dataset.py
        resize = math.ceil(crop / float(found["img_scale"]))
        preparation = Preparation(resize, crop, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return [
        Published(
            name=name,
            preparation=preparation,
            address=f"{release}/{file}.zip",
            cached=Path("~/.torch/models", file).expanduser(),
            checksum=("sha1", found["checksum"]),
        )
    ]


_FINDERS = {"timm": _of_timm, "torchvision": _of_torchvision, "pytorchcv": _of_pytorchcv}


# --- Into the library's model ----------------------------------------------------------------------------------------


def _into_timm(name: Name, state: State, options: dict[str, Any]) -> nn.Module:
    network: nn.Module = import_library("timm").create_model(
        f"{name.model}.{name.tag}", pretrained=True, pretrained_cfg_overlay={"state_dict": state}, **options
    )
    return network


def _into_torchvision(name: Name, state: State, options: dict[str, Any]) -> nn.Module:
    models = import_library("torchvision.models")
    member = models.get_model_weights(name.model)[name.tag]
    # Its factories rename what old files hold, and read the file themselves, in a way that would execute code in it.
    kind: Any = type(member)
    kind.get_state_dict = lambda *_, **__: dict(state)
    try:
        network: nn.Module = models.get_model(name.model, weights=member)
    finally:
        del kind.get_state_dict  # its base has it
    if options:
        # With weights they accept few options; what these leave out of the network is left out of the weights.
        complete, network = network.state_dict(), models.get_model(name.model, weights=None, **options)
        network.load_state_dict({key: complete[key] for key in network.state_dict()})
    if name.model in _INCEPTION:
        vars(network)["transform_input"] = False  # images come prepared for it
    return network


def _into_pytorchcv(name: Name, state: State, options: dict[str, Any]) -> nn.Module:
    provider = import_library("pytorchcv.model_provider")
    network: nn.Module = provider.get_model(name.model, pretrained=False, **options)
    known = network.state_dict()
    network.load_state_dict({key: tensor for key, tensor in state.items() if key in known})
    return network


_NETWORKS = {"timm": _into_timm, "torchvision": _into_torchvision, "pytorchcv": _into_pytorchcv}


# --- Files -----------------------------------------------------------------------------------------------------------

_INSIDE = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where a checkpoint of a training keeps the weights; their moving average is what such a training publishes."""


def read(path: Path) -> State:
    """The tensors in a file, by name, on the CPU; nothing in the file is executed.

    Args:
        path: of a safetensors file, or of what torch.save wrote: a state dict, or a checkpoint that holds one.

    Raises:
        CatalogError: it is not there, damaged, or holds something else than tensors.
    """
    if not path.is_file():
        raise CatalogError(f"there is no file {path}")
    found: Any = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path)
    if isinstance(found, dict):
        found = next((found[key] for key in _INSIDE if isinstance(found.get(key), dict)), found)
    return _state(found, path)


def _safetensors(path: Path) -> object:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError:
        raise CatalogError("needs safetensors: pip install 'repro[peers]'") from None
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CatalogError(f"{path} is no whole safetensors file: {error}") from None


def _pickled(path: Path) -> object:
    import torch

    try:
        with warnings.catch_warnings(action="ignore"):  # of formats that torch itself has left behind
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # The only place where torch says what it was that would have been executed.
        if found := re.search(r"(?:GLOBAL|class|function) (\w+(?:\.\w+)+)", str(error)):
            raise CatalogError(
                f"{path} holds more than tensors: reading it would execute {found[1]}, so it is not read. Where it "
                "comes from, save the tensors alone: torch.save(network.state_dict(), file)"
            ) from None
        raise CatalogError(f"{path} is no file of weights, or is damaged") from None
    except Exception as error:  # zip archives break in many ways
        raise CatalogError(f"{path} is damaged or cut off: {' '.join(str(error).split())[:120]}") from None


def _state(found: object, path: Path) -> State:
    import torch

    if not isinstance(found, dict) or not found:
        raise CatalogError(f"{path} holds no state dict: {type(found).__name__} instead of tensors by name")
    odd = [str(key) for key, value in found.items() if not (isinstance(key, str) and isinstance(value, torch.Tensor))]
    if odd:
        raise CatalogError(f"{path} holds no state dict: there is no tensor under {_first(odd)}")
    for wrapper in ("_orig_mod.", "module."):  # of torch.compile and of DistributedDataParallel
        if all(key.startswith(wrapper) for key in found):
            found = {key.removeprefix(wrapper): tensor for key, tensor in found.items()}
    return found


def misfit(state: State, network: nn.Module) -> str:
    """Why a state does not fit a network, in one line; empty when it does."""
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in wanted]
    shapes = [
        f"{key} ({list(state[key].shape)} instead of {list(tensor.shape)})"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    named = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    return ", ".join(f"{what} {_first(keys)}" for what, keys in named if keys)


def _first(keys: list[str], number: int = 3) -> str:
    more = f" and {len(keys) - number} more" if len(keys) > number else ""
    return ", ".join(keys[:number]) + more


def fingerprint(state: Mapping[str, Tensor]) -> str:
    """Of names, types, shapes and numbers of all tensors, whatever file they come from."""
    import torch

    digest = blake2b(digest_size=16)
    for key in sorted(state):
        if not key.endswith("num_batches_tracked"):  # which some files leave out
            tensor = state[key].detach().cpu().contiguous()
            digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
