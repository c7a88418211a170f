"""One file that holds a reproduction and whatever it takes from others: what people copy into their own work.

Definitions are taken over as they stand, with their comments, each paper's behind those that it builds on; what nothing
in the file uses is left out. Nothing is imported, so this takes milliseconds.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import textwrap
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from catalog import paths
from catalog.errors import CatalogError
from catalog.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["source_of", "standalone"]

_Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"


def source_of(paper: str) -> str:
    """The module of a paper, as it stands.

    Raises:
        CatalogError: it has none.
    """
    folder = paths.reproductions_folder()
    if folder is None:
        raise CatalogError(f"{paper} has no module; name the folder of those of these records: --reproductions DIR")
    path = folder / f"{paper.replace('-', '_')}.py"
    if not path.is_file():
        raise CatalogError(f"{paper} has no module yet, which would be {folder.name}/{path.name}")
    return path.read_text(encoding="utf-8")


def standalone(paper: str, title: Callable[[str], str]) -> str:
    """A program text with the module of a paper and all that it uses of other reproductions.

    Args:
        paper: its id.
        title: what to write above what was taken from the module of this name, which may be a paper's or ``layers``.

    Raises:
        CatalogError: the paper has no module, or some module does what cannot be taken into one file.
    """
    source_of(paper)
    own = _module(paper.replace("-", "_"))
    needed: dict[_Place, None] = {}
    for name in own.definitions:
        _collect(_Place(own.name, name), needed)
    flat = _flat_names(own.name, needed)
    modules = _in_order(own.name, needed)
    wanted = _wanted(needed)
    blocks = [_imports(wanted)]
    for module in modules:
        heading = f"# --- {title(module)} ".ljust(119, "-")
        taken = [definition for definition in _module(module).statements if needed.keys() & definition.places]
        texts = [_rewritten(definition, flat) for definition in taken]
        blocks += [heading, *texts] if len(modules) > 1 else texts
    outside = [found.whole_name.partition(".")[0] for found in wanted.values() if not found.is_standard]
    needs = "torch alone" if set(outside) <= {"torch"} else listed(sorted(set(outside)))
    origin = f"# Written by `repro source {paper} --standalone`; needs {needs}.{_licence(modules)}"
    header = f'"""{own.docstring}"""\n\n{origin}\n\nfrom __future__ import annotations\n\n'
    return header + "\n\n\n".join(blocks) + "\n"


def _licence(modules: list[str]) -> str:
    """Under which licence people may use the file: somebody's own modules are theirs to license."""
    ours = [module for module in modules if (paths.REPRODUCTIONS / f"{module}.py").is_file()]
    licence = "MIT License, Copyright (c) 2026 The repro authors."
    if len(ours) == len(modules):
        return f" {licence}"
    return f"\n# What is from {listed(ours)} of repro: {licence}" if ours else ""


class _Place(NamedTuple):
    """Where a name is defined."""

    module: str
    name: str


class _Import(NamedTuple):
    """A name from outside the reproductions."""

    module: str | None
    """That it is imported from; none for ``import name``."""
    name: str
    alias: str
    for_types_only: bool

    @property
    def whole_name(self) -> str:
        return self.name if self.module is None else f"{self.module}.{self.name}"

    @property
    def is_standard(self) -> bool:
        return self.whole_name.partition(".")[0] in sys.stdlib_module_names


@dataclass(frozen=True, slots=True)
class _Definition:
    """A statement of a module that gives names a meaning, with the comments right above it."""

    module: str
    node: ast.stmt
    first: int
    """Number of its first line."""
    lines: list[str]
    names: tuple[str, ...]
    for_types_only: bool

    @property
    def text(self) -> str:
        return _at_the_margin(self.lines, self.node.col_offset)

    @property
    def places(self) -> set[_Place]:
        return {_Place(self.module, name) for name in self.names}


@dataclass(slots=True)
class _Module:
    """A reproduction, taken apart."""

    name: str
    docstring: str
    statements: list[_Definition] = field(default_factory=list)
    definitions: dict[str, _Definition] = field(default_factory=dict)
    borrowed: dict[str, _Place] = field(default_factory=dict)
    """Names that stand for definitions of other reproductions."""
    modules: dict[str, str] = field(default_factory=dict)
    """Names that stand for other reproductions."""
    imports: dict[str, _Import] = field(default_factory=dict)


@cache
def _module(name: str) -> _Module:
    path = paths.module_file(name)
    if path is None:
        raise CatalogError(f"there is no reproductions/{name}.py, from which another module imports")
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    module = _Module(name, ast.get_docstring(tree, clean=False) or "")

    def take(node: ast.stmt, *, for_types_only: bool) -> None:
        match node:
            case ast.Import() | ast.ImportFrom():
                _take_import(module, node, for_types_only)
                return
            case ast.FunctionDef(name=defined) | ast.ClassDef(name=defined):
                names: tuple[str, ...] = (defined,)
            case ast.Assign(targets=targets):
                names = tuple(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=defined)):
                names = (defined,)
            case _:
                raise CatalogError(
                    f"reproductions/{name}.py:{node.lineno}: a statement that defines nothing cannot be taken into "
                    "another file; put it into a function"
                )
        first = _first_line(node, lines)
        definition = _Definition(name, node, first, lines[first - 1 : node.end_lineno], names, for_types_only)
        module.statements.append(definition)
        module.definitions |= dict.fromkeys(names, definition)

    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=[]):
                for inner in body:
                    take(inner, for_types_only=True)
            case _:
                take(node, for_types_only=False)
    return module


def _take_import(module: _Module, node: ast.Import | ast.ImportFrom, for_types_only: bool) -> None:
    origin = node.module if isinstance(node, ast.ImportFrom) else None
    if origin == "__future__":
        return
    for alias in node.names:
        name = alias.asname or alias.name
        if origin == "reproductions":
            module.modules[name] = alias.name
        elif origin is not None and origin.startswith("reproductions."):
            module.borrowed[name] = _Place(origin.removeprefix("reproductions."), alias.name)
        else:
            module.imports[name] = _Import(origin, alias.name, name, for_types_only)


def _first_line(node: ast.stmt, lines: list[str]) -> int:
    """Where a statement begins, with its decorators and the comments right above it."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    while first > 1 and lines[first - 2].lstrip().startswith("#") and not lines[first - 2].startswith("# ---"):
        first -= 1
    return first


def _at_the_margin(lines: list[str], column: int) -> str:
    return "\n".join(line[column:] for line in lines)


# --- What is needed --------------------------------------------------------------------------------------------------


def _collect(place: _Place, needed: dict[_Place, None]) -> None:
    """Add a definition and whatever it uses, and so on."""
    place = _origin(place)
    if place in needed:
        return
    definition = _module(place.module).definitions.get(place.name)
    if definition is None:
        raise CatalogError(f"reproductions/{place.module}.py defines no '{place.name}', which another module imports")
    needed |= dict.fromkeys(_Place(place.module, name) for name in definition.names)
    for used, _ in _references(definition):
        _collect(used, needed)


def _origin(place: _Place) -> _Place:
    """Where a name is defined that a module may only pass on."""
    while place in _passed_on(place.module):
        place = _passed_on(place.module)[place]
    return place


def _passed_on(module: str) -> dict[_Place, _Place]:
    return {_Place(module, name): place for name, place in _module(module).borrowed.items()}


def _references(definition: _Definition) -> Iterator[tuple[_Place, ast.Name | ast.Attribute]]:
    """The definitions of reproductions that a statement uses, and where in it."""
    module = _module(definition.module)
    attributes = {
        id(node.value): node
        for node in ast.walk(definition.node)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    for name in _global_names(definition.node):
        if name.id in module.modules:
            attribute = attributes[id(name)]
            yield _origin(_Place(module.modules[name.id], attribute.attr)), attribute
        elif name.id in module.borrowed:
            yield _origin(module.borrowed[name.id]), name
        elif name.id in module.definitions:
            yield _Place(module.name, name.id), name


def _in_order(own: str, needed: dict[_Place, None]) -> list[str]:
    """The modules that something is needed of, each behind those that it uses."""
    found: list[str] = []

    def visit(module: str) -> None:
        if module in found:
            return
        for definition in _module(module).statements:
            if needed.keys() & definition.places:
                for place, _ in _references(definition):
                    if place.module != module:
                        visit(place.module)
        found.append(module)

    visit(own)
    return found


def _wanted(needed: dict[_Place, None]) -> dict[str, _Import]:
    """What is needed from outside, by the names that the definitions use."""
    wanted: dict[str, _Import] = {}
    definitions = {place: _module(place.module).definitions[place.name] for place in needed}
    for definition in definitions.values():
        for used in _global_names(definition.node):
            found = _module(definition.module).imports.get(used.id)
            if found is None:
                continue
            other = wanted.setdefault(used.id, found)
            if other.whole_name != found.whole_name:
                raise CatalogError(
                    f"reproductions/{definition.module}.py: '{used.id}' is {found.whole_name} there and "
                    f"{other.whole_name} elsewhere, so they cannot stand in one file"
                )
            if other.for_types_only:
                wanted[used.id] = found
    for_types_only = any(found.for_types_only for found in wanted.values())
    if for_types_only or any(definition.for_types_only for definition in definitions.values()):
        wanted["TYPE_CHECKING"] = _Import("typing", "TYPE_CHECKING", "TYPE_CHECKING", for_types_only=False)
    return wanted


def _imports(wanted: dict[str, _Import]) -> str:
    """The lines that import what is needed from outside, those for types alone under their condition."""
    for_types_only = [found for found in wanted.values() if found.for_types_only]
    always = [found for found in wanted.values() if not found.for_types_only]
    groups = [
        _lines([found for found in always if found.is_standard]),
        _lines([found for found in always if not found.is_standard]),
    ]
    if for_types_only:
        groups.append(["if TYPE_CHECKING:", *(f"    {line}" for line in _lines(for_types_only))])
    return "\n\n".join("\n".join(group) for group in groups if group)


def _lines(imports: list[_Import]) -> list[str]:
    """Statements that import, one a module."""
    names: dict[str, list[str]] = {}
    for found in imports:
        name = found.name if found.alias == found.name else f"{found.name} as {found.alias}"
        names.setdefault(f"import {name}" if found.module is None else f"from {found.module} import ", []).append(name)
    whole = sorted(start for start in names if not start.endswith(" "))
    return whole + [start + ", ".join(sorted(names[start])) for start in sorted(names) if start.endswith(" ")]


# --- Names -----------------------------------------------------------------------------------------------------------


def _flat_names(own: str, needed: dict[_Place, None]) -> dict[_Place, str]:
    """What definitions are called in the one file: as before, but for those whose names would collide."""
    taken = {found.alias for place in needed for found in _module(place.module).imports.values()} | set(dir(builtins))
    names: dict[_Place, str] = {}
    for place in sorted(needed, key=lambda place: place.module != own):  # the paper's own names stay
        name = place.name
        if name in taken and place.module != own:
            name = f"{place.module}_{name.lstrip('_')}"
        if name in taken and place.module != own:
            raise CatalogError(f"'{place.name}' of reproductions/{place.module}.py collides with another name")
        taken.add(name)
        names[place] = name
    return names


def _rewritten(definition: _Definition, flat: dict[_Place, str]) -> str:
    """The text of a definition, with the names that things have in the one file."""
    changes = {
        (node.lineno, node.col_offset): (ast.unparse(node), flat[place])
        for place, node in _references(definition)
        if ast.unparse(node) != flat[place]
    }
    text = definition.text
    if changes:
        lines = [line.encode() for line in definition.lines]  # positions count bytes
        for (number, column), (before, after) in sorted(changes.items(), reverse=True):
            line = lines[number - definition.first]
            assert line[column : column + len(before)] == before.encode(), "a name is written in one piece"
            lines[number - definition.first] = line[:column] + after.encode() + line[column + len(before) :]
        text = _at_the_margin([line.decode() for line in lines], definition.node.col_offset)
    for name in definition.names:
        after = flat[_Place(definition.module, name)]
        if after != name:
            text = re.sub(rf"^((?:def|class) )?{name}\b", rf"\g<1>{after}", text, count=1, flags=re.MULTILINE)
    return f"if TYPE_CHECKING:\n{textwrap.indent(text, '    ')}" if definition.for_types_only else text


def _global_names(node: ast.AST) -> Iterator[ast.Name]:
    """The names in a statement of a module that mean what they mean in the module: nothing inside binds them."""
    yield from _free(node, frozenset(), frozenset())


def _free(node: ast.AST, functions: frozenset[str], here: frozenset[str]) -> Iterator[ast.Name]:
    """Names that neither the functions around nor the scope right here bind; the body of a class sees both."""
    match node:
        case ast.Name(id=name):
            if name not in functions | here:
                yield node
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            yield from _free_in_all(_outside(node), functions, here)
            inside = functions | _bound_by(node)
            yield from _free_in_all(node.body if isinstance(node.body, list) else [node.body], inside, frozenset())
        case ast.ClassDef():
            outside = [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
            yield from _free_in_all(outside, functions, here)
            yield from _free_in_all(node.body, functions, frozenset(_stored(node.body)))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            inside = functions | here | set(_stored([generator.target for generator in node.generators]))
            yield from _free_in_all(ast.iter_child_nodes(node), inside, frozenset())
        case _:
            yield from _free_in_all(ast.iter_child_nodes(node), functions, here)


def _free_in_all(nodes: Iterable[ast.AST], functions: frozenset[str], here: frozenset[str]) -> Iterator[ast.Name]:
    for node in nodes:
        yield from _free(node, functions, here)


def _outside(function: _Function) -> Iterator[ast.AST]:
    """What of a function is evaluated where it is defined."""
    if not isinstance(function, ast.Lambda):
        yield from function.decorator_list
        if function.returns is not None:
            yield function.returns
    yield function.args  # annotations and defaults; the names of arguments are no ast.Name


def _bound_by(function: _Function) -> set[str]:
    """The names that are local to a function."""
    arguments = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    return arguments | set(_stored(function.body if isinstance(function.body, list) else [function.body]))


def _stored(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names that get a value among these nodes, in their own scope."""
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                yield name
                yield from _stored(ast.iter_child_nodes(node))
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                pass
            case _:
                yield from _stored(ast.iter_child_nodes(node))
