"""A model of somebody else's, built by their code: ``my_package.models:resnet50`` or ``models.py:resnet50``.

Their code runs in this process. Whatever it raises becomes one message that names the line of theirs where it happened.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import sysconfig
import traceback
from contextlib import contextmanager
from functools import cache, partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from catalog.errors import CatalogError
from catalog.names import UnknownName, closest
from catalog.verify.peers import mend_torchvision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from torch import nn

__all__ = ["ModelError", "load", "nearby", "users_code"]


T = TypeVar("T")


class ModelError(CatalogError):
    """A model that cannot be held against a paper; the message says where and why."""


def load(name: str) -> nn.Module:
    """Build a model, on the CPU and in evaluation mode.

    Args:
        name: MODULE:FACTORY, where a module in the current folder goes before one that is installed, or
            FILE.py:FACTORY. A factory is called without arguments; a model that is already built is taken as it is.

    Raises:
        ModelError: there is no such file or module, or its code fails, or gives no torch.nn.Module.
        UnknownName: the module or file has nothing of that name.
    """
    import torch
    from torch import nn

    path, _, attribute = name.rpartition(":")
    if not path or not attribute:
        raise ModelError(f"'{name}' names no model: MODULE:FACTORY or FILE.py:FACTORY is needed, such as models.py:net")
    found = _attribute(_module(path), attribute, where=path)
    if not isinstance(found, nn.Module):
        found = _called(found, attribute, where=path)
    if isinstance(found, torch.jit.ScriptModule):
        raise ModelError(f"{name} is scripted or traced, which hides what it does; give the model before that")
    network: nn.Module = getattr(found, "_orig_mod", found)  # what torch.compile was given
    return network.cpu().eval()


@contextmanager
def users_code(what: str) -> Iterator[None]:
    """Turn whatever their code raises into one message.

    Args:
        what: what is being done, to end in "failed".

    Raises:
        ModelError: it failed; the message names file and line of theirs.
    """
    try:
        yield
    except CatalogError:
        raise
    except (Exception, SystemExit) as error:
        place = _place(error)
        kind = type(error).__name__
        text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
        raise ModelError(": ".join(part for part in (place, f"{what} failed", kind, text) if part)) from None


def nearby(file: str) -> str:
    """A path as one would type it here, or within the package that is installed."""
    for folder in (*_installed(), os.getcwd() + os.sep):
        file = file.removeprefix(folder)
    return file


@cache
def _installed() -> tuple[str, ...]:
    return tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))


def _module(path: str) -> ModuleType:
    if path.endswith(".py"):
        if not Path(path).is_file():
            raise ModelError(f"there is no file {path}")
        with users_code(f"importing {path}"):
            return _with_torchvision(partial(_from_file, Path(path).resolve()))
    sys.path.insert(0, os.getcwd())
    with users_code(f"importing {path}"):
        try:
            return _with_torchvision(partial(importlib.import_module, path))
        except ModuleNotFoundError as error:
            # One that the path names; what their code imports in vain is an error in their code.
            if error.name is None or not f"{path}.".startswith(f"{error.name}."):
                raise
            hint = f"; did you mean {path}.py?" if Path(f"{path}.py").is_file() else ""
            raise ModelError(
                f"no module is called '{error.name}', neither in this folder nor among what is installed{hint}"
            ) from None


def _with_torchvision(do: Callable[[], T]) -> T:
    """Do something that may import torchvision, or timm, which does."""
    try:
        return do()
    except RuntimeError as error:
        if not mend_torchvision(error):
            raise
    return do()


def _from_file(path: Path) -> ModuleType:
    sys.path.insert(0, str(path.parent))  # as when it is run
    spec = importlib.util.spec_from_file_location(f"_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _attribute(module: ModuleType, name: str, where: str) -> Any:
    try:
        return attrgetter(name)(module)
    except AttributeError:
        offered = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UnknownName(name, closest(name, offered), what=f"function or class of {where}") from None


def _called(factory: Any, name: str, where: str) -> nn.Module:
    from torch import nn

    place = _defined(factory) or where
    if not callable(factory):
        kind = type(factory).__name__
        raise ModelError(f"{place}: {name} is of type {kind}, neither a function nor a torch.nn.Module")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ModelError(
            f"{place}: {name} has to be called without arguments, and there is {error}; write a function that calls it"
        ) from None
    except ValueError:
        pass  # one that cannot be asked
    with users_code(f"{name}()"):
        made = _with_torchvision(factory)
    if not isinstance(made, nn.Module):
        raise ModelError(f"{place}: {name}() gives {made!r:.60}, which is no torch.nn.Module")
    return made


def _defined(thing: Any) -> str:
    """File and line of a definition, where that can be known."""
    try:
        return f"{nearby(inspect.getsourcefile(thing) or '')}:{inspect.getsourcelines(thing)[1]}"
    except (TypeError, OSError):
        return ""


def _place(error: BaseException) -> str:
    """File and line of their code that an error comes from: the innermost that is not of torch, Python or ours."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{nearby(error.filename)}:{error.lineno}"
    import torch

    others = (os.path.dirname(torch.__file__) + os.sep, str(Path(__file__).parents[1]) + os.sep, "<")
    standard = sysconfig.get_path("stdlib") + os.sep
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        is_standard = frame.filename.startswith(standard) and not frame.filename.startswith(_installed())
        if not is_standard and not frame.filename.startswith(others):
            return f"{nearby(frame.filename)}:{frame.lineno}"
    return ""
