"""Pages made from the program: questions with live answers, the commands, how to contribute, how verification works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from catalog import Library, paths, schema
from catalog.cli import EXIT_STATUSES, app
from catalog.formats.export import FORMATS
from catalog.question_forms import FORMS, Form, understand
from catalog.questions import ask
from catalog.records import Basis, DeviationCause, Status, Tier
from catalog.verify.ledger import Ledger
from catalog.verify.runner import ClaimReport, PaperReport
from catalog.website import api, build
from catalog.website.commands import every_command
from catalog.website.content import ORDER, place
from catalog.website.fields import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Records

OTHER = Path(__file__).parents[1] / "other_catalogue"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory, library: Library) -> Path:
    """The Markdown of the project's own records."""
    return build(library, tmp_path_factory.mktemp("guides"), render=False)


def page(docs: Path, name: str) -> str:
    return (docs / name / "index.md").read_text(encoding="utf-8")


# --- Questions -------------------------------------------------------------------------------------------------------


def examples(shown: str) -> Iterator[tuple[str, str]]:
    """The questions of a page, as its commands ask them, and what is shown of each."""
    for section in re.split(r"^## ", shown, flags=re.MULTILINE):
        if command := re.search(r"^(`{3,}) sh\n(repro ask .*)\n\1$", section, re.MULTILINE):
            repro, subcommand, question = shlex.split(command[2])
            assert (repro, subcommand) == ("repro", "ask")
            yield question, section


def works_in(result: Any) -> Iterator[str]:
    """The works that an answer names, in its JSON."""
    match result:
        case dict():
            for key, value in result.items():
                if isinstance(value, str) and key in {"id", "paper", "source", "about", "other"}:
                    yield value
                elif key != "claims":
                    yield from works_in(value)
        case list() | tuple():
            for one in result:
                yield from works_in(one)


def missing(library: Library, question: str, shown: str) -> list[str]:
    """The works of the answer to which what is shown does not lead."""
    answer = ask(library, question)
    result = answer.as_dict()["result"]
    match answer.kind:
        case "record":
            named = [paper.id for paper in library.resolve(result["id"])]
        case "papers":
            named = [paper["id"] for paper in result]
        case "influence":
            named = [paper["id"] for paper in result[:10]]
        case _:
            named = list(works_in(result))
    targets = set(re.findall(r"\]\((?:\.\./)*([^)]+)\)", shown))
    assert named
    subjects = (library.work(one) if one in library.outlines else library.topic(one) for one in named)
    return [
        f"{file}#{anchor}"
        for file, anchor in map(place, subjects)
        if (f"{file}#{anchor}" if anchor else file) not in targets
    ]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.id)
def test_a_page_shows_what_the_catalogue_answers(docs: Path, library: Library, form: Form) -> None:
    shown = page(docs, f"questions/{form.id}")
    asked = list(examples(shown))
    assert 1 <= len(asked) <= 3
    for question, section in asked:
        understood = understand(question)
        assert understood is not None
        assert understood[0] is form
        assert missing(library, question, section) == []
    assert f"]({form.id}/index.md)" in page(docs, "questions")


def test_what_is_asked_about_a_verdict_leads_to_the_claims(docs: Path, library: Library) -> None:
    for question, section in examples(page(docs, "questions/verdicts")):
        for found in ask(library, question).as_dict()["result"]:
            for claim in found["claims"]:
                assert f"](../../papers/{found['id']}/index.md#claim-{claim})" in section


def test_other_catalogues_have_examples_of_their_own(small: Library, tmp_path: Path) -> None:
    for number, library in enumerate((small, Library.load(OTHER / "papers"))):
        shown = build(library, tmp_path / str(number), render=False)
        asked = [example for form in FORMS for example in examples(page(shown, f"questions/{form.id}"))]
        assert len(asked) > 20
        assert [lost for question, section in asked for lost in missing(library, question, section)] == []


def test_a_form_without_a_subject_has_no_example(records: Records, tmp_path: Path) -> None:
    for name in ("inception-v1", "inception-v3", "xception", "mobilenet-v1"):
        (records.folder / f"{name}.yaml").unlink()
    records.change("taxonomy.yaml", "- {source: xception, text: They go by the name of Inception.}", "")
    records.change("taxonomy.yaml", "comments:", "")
    library = records.load()
    shown = build(library, tmp_path / "build", render=False)
    for form in ("descendants", "ancestors", "path", "common", "difference", "remarks-by", "remarks", "speakers"):
        assert "This catalogue has no subject for an example." in page(shown, f"questions/{form}")
    assert [question for question, _ in examples(page(shown, "questions/record"))] == [
        "what is ResNet",
        "what is ResNets",
    ]


@pytest.mark.parametrize(
    "name",
    [
        'What\'s "new" in $(rm -rf ~) `x`',
        "from A to B",
        "what builds on",
        "``` sh",
        "said about Xception",
        "<script>alert(1)</script> | {{ 7*7 }}",
        "x" * 400,
    ],
)
def test_any_name_can_be_asked_about(records: Records, tmp_path: Path, name: str) -> None:
    quoted = "'" + name.replace("'", "''") + "'"
    records.change("inception-v3.yaml", "name: Inception-v3", f"name: {quoted}")
    records.change("families.yaml", "name: Inception,", f"name: {quoted[:-1]} again',")
    library = records.load()
    shown = build(library, tmp_path / "build", render=False)
    asked = 0
    for form in FORMS:
        for question, section in examples(page(shown, f"questions/{form.id}")):
            asked += 1
            assert (understood := understand(question)) is not None
            assert understood[0] is form
            assert missing(library, question, section) == []
    assert asked > 20


# --- Commands --------------------------------------------------------------------------------------------------------


def helped(*command: str) -> str:
    done = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"}, prog_name="repro")
    assert done.exit_code == 0, done.output
    return done.output


def members(text: str) -> list[str]:
    """The commands that a help text lists."""
    listed = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  (\w\S*)", listed, re.MULTILINE)


def test_every_command_and_option_is_explained(docs: Path) -> None:
    shown = page(docs, "commands")
    top = members(helped())
    commands = [*([name] for name in top if name != "site"), *(["site", name] for name in members(helped("site")))]
    assert len(commands) > 15
    for command in ([], *commands):
        text = helped(*command)
        heading = f"## {' '.join(['repro', *command])} {{" if command else "# Commands\n"
        section = re.split(r"^##? ", shown[shown.index(heading) + 3 :], maxsplit=1, flags=re.MULTILINE)[0]
        usage = " ".join(text.partition("\n\n")[0].removeprefix("Usage: ").split())
        assert usage in section
        for option in {*re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE)} - (
            {"--help"} if command else set()
        ):
            assert re.search(rf"`(?:-\w, )?{option}\b[^`]*`", section), (command, option)
        for metavar in re.findall(r"^  ([A-Z]\S*)  ", text.partition("Options:")[0], re.MULTILINE):
            assert f"`{metavar}`" in section, (command, metavar)


def test_what_help_says_is_on_the_page(docs: Path) -> None:
    shown = " ".join(page(docs, "commands").split())
    for piece in (
        "Largest number of results. (default: 10; x&gt;=1)",
        "`--papers DIR`",
        "REPRO\\_PAPERS",
        "Answer a question in plain English, such as: what builds on Inception?",
        "repro source senet --standalone --output senet.py",
        "repro schema --output papers/schema # in a folder of records of your own",
        "repro ask what builds on Inception",
        "`--format <text|json|mermaid|dot>`",
        *(f"| {status} | {meaning} |" for status, meaning in EXIT_STATUSES.items()),
    ):
        assert piece in shown, piece
    assert "For example: repro" not in shown


def test_help_ends_with_the_exit_statuses() -> None:
    assert all(f"{status} {meaning}" in " ".join(helped().split()) for status, meaning in EXIT_STATUSES.items())


def test_every_variable_of_the_environment_is_explained(docs: Path) -> None:
    shown = page(docs, "commands")
    sources = [*paths.REPRODUCTIONS.parent.joinpath("catalog").rglob("*.py"), paths.MKDOCS]
    known = {
        name for path in sources for name in re.findall(r"\bREPRO_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert len(known) >= 4
    assert [name for name in known if f"| `{name}` |" not in shown] == []


def test_the_reference_depends_on_no_terminal_and_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = every_command()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("REPRO_PAPERS", "/somebody/papers")
    monkeypatch.chdir("/")
    assert every_command() == before
    assert "/somebody" not in str(before)


def test_building_imports_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from catalog import Library, website; "
        "website.build(Library.load(sys.argv[1]), sys.argv[2], render=False); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, OTHER / "papers", tmp_path / "build"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert done.stdout.strip() == "False"


# --- Commands that pages and files of the project name ---------------------------------------------------------------


def named_commands(text: str) -> Iterator[list[str]]:
    for line in re.findall(r"^(?:\$ )?(repro .+)$|`(repro [^`]+)`", text, re.MULTILINE):
        yield shlex.split("".join(line), comments=True)[1:]


@pytest.mark.parametrize(
    "file",
    [
        *("README.md", "CONTRIBUTING.md"),
        *(f"site/templates/{name}.md.j2" for name in ("verification", "verdicts", "programs", "questions", "commands")),
    ],
)
def test_commands_that_are_named_exist(file: str) -> None:
    known = {command.name.split(" ", 1)[1]: command for command in every_command()[1:]}
    top = every_command()[0]
    found = list(named_commands((paths.MKDOCS.parent / file).read_text(encoding="utf-8")))
    assert found
    for words in found:
        while words and words[0].startswith("--"):
            assert any(option.written.split()[0] == words[0] for option in top.options), words
            del words[:2]
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
        if words[0] == "COMMAND":
            continue
        assert name, words
        options = {option.written.split()[0] for option in known[name].options} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, words


# --- Contributing ----------------------------------------------------------------------------------------------------


def test_the_file_on_contributing_is_the_page(docs: Path) -> None:
    shown, text = page(docs, "contributing"), paths.CONTRIBUTING.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .+$", text, re.MULTILINE)
    assert len(headings) > 8
    assert re.findall(r"^#+ .+$", shown, re.MULTILINE) == headings
    assert "[papers/schema/](../api/index.md#record-schemas)" in shown
    assert "[reproductions/xception.py](../papers/xception/index.md)" in shown
    assert "`measuring.py` has what they measure with" in shown
    for target in re.findall(r"\]\((\S+?)\)", text):
        assert (paths.CONTRIBUTING.parent / target).exists(), target


def test_links_to_what_another_catalogue_has_not_are_text(tmp_path: Path) -> None:
    shown = page(build(Library.load(OTHER / "papers"), tmp_path / "build", render=False), "contributing")
    assert "Read `reproductions/xception.py` first." in shown


# --- Verification ----------------------------------------------------------------------------------------------------


def section(shown: str, heading: str) -> str:
    return re.split(r"^## ", shown[shown.index(f"\n## {heading}\n") + 4 :], maxsplit=1, flags=re.MULTILINE)[0]


def test_each_verdict_has_an_example_that_has_it(docs: Path, library: Library) -> None:
    shown = page(docs, "verification/status")
    found = 0
    for status in ORDER:
        for paper, claim in re.findall(
            r"For example \[.*?\]\(\S*papers/([^/]+)/index\.md#claim-([^)]+)\)", section(shown, status)
        ):
            entry = Ledger.load(paper).entry(claim)
            record = next(one for one in library[paper].claims if one.id == claim)
            assert status == (
                entry.status if entry else "not checkable" if record.not_checkable else "not measured yet"
            )
            found += 1
    assert found >= 4


def test_every_cause_tier_and_basis_is_explained(docs: Path) -> None:
    verdicts, how = page(docs, "verification/status"), page(docs, "verification")
    assert all(f"| {cause} |" in verdicts for cause in DeviationCause)
    assert all(f"| {kind} |" in how for kind in (*Tier, *Basis))


@pytest.mark.usefixtures("_nothing_measured")
def test_verdicts_of_other_catalogues(records: Records, tmp_path: Path) -> None:
    library = records.load()
    shown = page(build(library, tmp_path / "build", render=False), "verification/status")
    for status in Status:
        assert "No claim of this catalogue has it today." in section(shown, status)
    assert "[Xception: it has 22.86 million parameters](../../papers/xception/index.md#claim-parameters)" in section(
        shown, "not measured yet"
    )
    paper = library["xception"]
    report = ClaimReport(paper.claims[0], Status.FAILED, "measured 3 | 4", 3, 0.1)
    Ledger.load("xception").record(PaperReport(paper, (report,)), device="an abacus")
    records.change("xception.yaml", "expect: {equals: 22855952}", "expect: {equals: 22855951}")
    shown = page(build(records.load(), tmp_path / "build", render=False), "verification/status")
    assert "| 22,855,952 | 22,855,951 | 3 |" in section(shown, "failed")
    assert "measured 3 &#124; 4" in section(shown, "failed")
    assert "For example [Xception" in section(shown, "Stale")


def test_ways_of_counting_that_only_others_use_are_explained(docs: Path) -> None:
    shown = page(docs, "verification/counting")
    assert "[*thop*](#macs-thop){ #macs-thop }" in shown
    assert re.search(
        r"\| \[trainable\]\(#parameters-trainable\)\{ #parameters-trainable \} \| .* \| [1-9]\d* \|", shown
    )


# --- For programs ----------------------------------------------------------------------------------------------------


def definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every type of which a document of the site or a record consists."""
    yield from schema.together((api.Index, api.PaperDocument, api.Graph), "https://example.org/")["$defs"].items()
    for kind in schema.Kind:
        made = schema.schema(kind)
        yield from (made["$defs"] | {made["title"]: made}).items()


def test_every_field_of_a_document_is_explained(docs: Path) -> None:
    shown = page(docs, "api")
    told = 0
    for name, definition in definitions():
        if "properties" in definition:
            told += 1
            assert shown.count(f"\n### {name} {{") == 1
            table = re.split(r"^### ", shown[shown.index(f"\n### {name} {{") + 5 :], maxsplit=1, flags=re.MULTILINE)[0]
            for field in definition["properties"]:
                optional = "" if field in definition.get("required", ()) else " *optional*"
                assert f"| `{field}`{optional} |" in table, (name, field)
    assert told > 30


def test_files_and_formats_for_programs_are_named(docs: Path, library: Library) -> None:
    shown = page(docs, "api")
    assert all(f"| `{name}` |" in shown for name in FORMATS)
    assert all(f"](../schema/{kind}.json)" in shown for kind in schema.Kind)
    named = re.findall(r"http://127\.0\.0\.1:8000/([\w./-]+)", shown)
    assert len(named) >= 3
    assert [name for name in named if not (docs / name).is_file()] == []


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"type": "string"}, "string"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "integer or string"),
        ({"type": "array", "items": {"$ref": "#/$defs/Inner"}}, "list of [Inner](#inner)"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "list of number and number"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"enum": ["a|b", "c"]}, "one of a&#124;b, c"),
        ({"const": 1}, "1"),
        ({"$ref": "#/$defs/Kind"}, "one of x"),
        ({}, "anything"),
    ],
)
def test_types_in_words(described: dict[str, Any], said: str) -> None:
    inner = {"properties": {}, "description": "What is inside. And more."}
    outer = {"properties": {"field": described}, "required": ["field"]}
    table, *others = tables({"Outer": outer, "Inner": inner, "Kind": {"enum": ["x"]}}, "Outer")
    assert (table.fields[0].type, table.fields[0].always) == (said, True)
    assert [other.meaning for other in others] == (["What is inside"] if "Inner" in str(described) else [])
