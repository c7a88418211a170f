"""Which claims of which papers are to be verified."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from catalog import paths
from catalog.errors import CatalogError
from catalog.names import UnknownName, closest, find_topic
from catalog.records import Tier
from catalog.standalone import source_of
from catalog.verify import Recorded
from catalog.verify.batch import Request
from catalog.verify.ledger import Ledger, sources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from catalog.library import Library
    from catalog.records import Claim, Paper

__all__ = ["changed_since", "choose", "need_code", "requests"]


def choose(
    library: Library,
    names: Sequence[str] = (),
    *,
    topic: str | None = None,
    family: str | None = None,
    changed: str | None = None,
) -> list[Paper]:
    """The papers that are meant: those named, or else all, and of them those that every selector takes.

    Args:
        library: the records.
        names: papers and families, by any name that people use.
        topic: only papers on it and on those under it.
        family: only its members.
        changed: only those of which something has changed since this revision of the project.

    Raises:
        CatalogError: there is no paper, topic, family or revision of that name.
    """
    found = [paper for name in names for paper in library.resolve(name)] if names else list(library.papers)
    kept = {paper.id: paper for paper in found}
    if topic is not None:
        on_topic = {paper.id for paper in library.papers_on(find_topic(topic, library.topic_names.values()))}
        kept = {id_: paper for id_, paper in kept.items() if id_ in on_topic}
    if family is not None:
        kind, id_ = library.names.find(family)
        if kind != "family":
            raise CatalogError(f"'{family}' is no family but a paper; name it without --family")
        members = {paper.id for paper in library.members(id_)}
        kept = {id_: paper for id_, paper in kept.items() if id_ in members}
    if changed is not None:
        touched = changed_since(changed, kept.values())
        kept = {id_: paper for id_, paper in kept.items() if id_ in touched}
    papers = list(kept.values())
    if len(papers) > 1 or not names:
        # Of many papers those are meant that have something to verify; of a paper that is named it is said.
        papers = [paper for paper in papers if paper.claims] or (papers if names else [])
    return papers


def need_code(requests: Sequence[Request]) -> None:
    """Make sure that there is something to measure.

    Raises:
        CatalogError: none of the papers has a module.
    """
    papers = [request.paper for request in requests if any(map(_takes_code, request.selection))]
    if not papers or any(map(sources, papers)):
        return
    if len(papers) == 1:
        source_of(papers[0].id)
    raise CatalogError(
        f"none of the {len(papers)} papers has a module; --reproductions DIR names the folder of modules"
    )


def _takes_code(claim: Claim) -> bool:
    return claim.tier is not Tier.HEADLINE and claim.not_checkable is None


def requests(
    papers: Sequence[Paper],
    *,
    tiers: Sequence[str] = (),
    claims: Sequence[str] = (),
    only: Collection[Recorded] = (),
) -> list[Request]:
    """What is asked of each of the papers.

    Args:
        papers: of these.
        tiers: only claims of these tiers.
        claims: only these claims. Of several papers each is asked for those that it has; one that none has is an error.
        only: only claims of which the results say one of these; papers without any are left out.

    Raises:
        UnknownName: there is no such tier, or a paper has no such claim.
    """
    known = {claim.id for paper in papers for claim in paper.claims}
    for name in claims:
        if name not in known:
            what = f"claim of {papers[0].id}" if len(papers) == 1 else "claim of these papers"
            hint = f"there are {', '.join(sorted(known)) or 'none'}" if len(papers) == 1 else ""
            raise UnknownName(name, closest(name, sorted(known)), what=what, hint=hint)
    found = []
    for paper in papers:
        own = tuple(claim.id for claim in paper.claims if claim.id in claims) if claims else None
        skip = frozenset(_without(paper, only)) if only else frozenset[str]()
        request = Request(paper, tuple(tiers) or None, own, skip)
        if len(papers) == 1 and not only:
            request.selection  # noqa: B018 - raises what is wrong with it
            found.append(request)
        elif request.selection:
            found.append(request)
    return found


def _without(paper: Paper, only: Collection[Recorded]) -> Iterable[str]:
    """The claims of a paper of which the results say something else."""
    ledger = Ledger.load(paper.id)
    return (claim.id for claim in paper.claims if _recorded(ledger, paper, claim) not in only)


def _recorded(ledger: Ledger, paper: Paper, claim: Claim) -> Recorded:
    entry = ledger.entry(claim.id)
    if entry is None:
        return Recorded.NOTHING
    return Recorded.STALE if ledger.is_stale(entry, paper) else Recorded(str(entry.status))


def changed_since(revision: str, papers: Iterable[Paper]) -> set[str]:
    """The papers whose record, module or checks, or whatever reproductions these use, differ from a revision's.

    What is not committed yet counts, and so do files that git does not know. A change of how everything is measured
    (``catalog/verify``) is no change of a paper.

    Raises:
        CatalogError: this is no checkout of the project, git is missing, or it does not know the revision.
    """
    records = paths.records_folder()
    if paths.CHECKOUT is None and not paths.has_own_records():
        raise CatalogError(
            "--changed compares with a revision of the project, and this is an installed copy without any"
        )
    root = Path(_git(records, "rev-parse", "--show-toplevel").rstrip("\n"))
    folders = [str(folder) for folder in (records, paths.reproductions_folder()) if folder]
    named = _git(root, "diff", "--name-only", "-z", revision, "--", *folders)
    new = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *folders)
    changed = {root / name for name in (named + new).split("\0") if name}
    return {
        paper.id
        for paper in papers
        if records / f"{paper.id}.yaml" in changed or not changed.isdisjoint(sources(paper))
    }


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise CatalogError(f"--changed needs git, which cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        raise CatalogError(f"--changed: git says: {said}")
    return done.stdout
