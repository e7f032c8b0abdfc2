"""The forms of `mint check --output`: each is what its readers expect, for every program and for none."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from mintdsl import __version__
from mintdsl.diagnostics.codes import CODES, page
from mintdsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Safety
from mintdsl.driver import Report
from mintdsl.source import Source, Span
from mintdsl.tools.cli import cli
from mintdsl.tools.forms import FORMS, annotation
from mintdsl.tools.programs import Asked, ask
from mintdsl.tools.sarif import log, uri

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(ROOT.glob("tests/pro*/refused/*.mint")) + sorted(ROOT.glob("tests/programs/syntax/*.mint"))
SMALL = "mintnet/mnist_small.mint"
TWO = "mint 1\r\nlayer Ä on Vec[D] {\n\tparam b : bias # 😀\n  map x -> ä + x\n}\nlayer B on S { map x -> x * x }"


def mint(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["check", *args], input=stdin)


@cache
def answered(path: Path) -> tuple[Asked, Report]:
    asked = ask(str(path), None, None, ())
    return asked, asked.program.check()


def said(path: Path, form: str) -> str:
    return "\n".join(FORMS[form](*answered(path)))


def test_all_forms_are_offered() -> None:
    assert list(FORMS) == ["text", "concise", "json", "sarif", "github"]
    assert all(form in mint("--help").output for form in FORMS)
    assert mint(SMALL, "--output", "xml").exit_code == 2


@pytest.mark.parametrize("form", FORMS)
def test_exit_codes_do_not_depend_on_the_form(form: str, tmp_path: Path) -> None:
    assert mint(SMALL, "--output", form).exit_code == 0
    assert mint("-", "--output", form, stdin="mint 1\nlayer A on S { map x -> y }").exit_code == 1
    assert mint(str(tmp_path / "none.mint"), "--output", form).exit_code == 2


def test_the_page_describes_every_form_and_field() -> None:
    page = (ROOT / "docs" / "output.md").read_text(encoding="utf-8")
    assert all(f"**{form}**" in page for form in FORMS)
    for text in (mint("-", "--output", "json", stdin=TWO).output, mint(SMALL, "--output", "json").output):
        for line in text.splitlines():
            assert all(f"`{field}`" in page for field in fields(json.loads(line)))


def fields(value: object) -> set[str]:
    """Every key in an object, at any depth."""
    if isinstance(value, list):
        return set().union(*map(fields, value))
    return set(value).union(*map(fields, value.values())) if isinstance(value, dict) else set()


# ---------------------------------------------------------------- json


def test_json_fields() -> None:
    lines = mint("-", "--output", "json", stdin=TWO).output.splitlines()
    found = [json.loads(line) for line in lines]
    assert all(line.isascii() for line in lines)
    for one in found:
        keys = ["kind", "code", "severity", "title", "rule", "file", "range", "labels", "notes", "fixes", "example"]
        assert list(one) == keys and one["kind"] == "diagnostic"
        assert sum(label["primary"] for label in one["labels"]) == 1
        for located in (one, *one["labels"], *(edit for fix in one["fixes"] for edit in fix["edits"])):
            start, end = located["range"]["start"], located["range"]["end"]
            assert 0 <= start["offset"] <= end["offset"] <= len(TWO)
            for place in (start, end):
                before = TWO[: place["offset"]]
                assert place["line"] == before.count("\n") + 1
                assert place["column"] == place["offset"] - (before.rfind("\n") + 1) + 1
        assert all(fix["safety"] in ("safe", "unsafe", "display") for fix in one["fixes"])


# ---------------------------------------------------------------- sarif

OBJECT, STRING, NUMBER = "object", "string", "number"
LEVELS = ("error", "warning")


def keys(value: object, required: str, optional: str = "") -> dict[str, object]:
    """`value` as an object with these keys and no others."""
    assert isinstance(value, dict)
    assert set(required.split()) <= set(value) <= {*required.split(), *optional.split()}, set(value)
    return value


def message(value: object) -> None:
    assert isinstance(keys(value, "text")["text"], str) and value["text"]  # type: ignore[index]


def region(value: object, text: str | None) -> None:
    r = keys(value, "startLine startColumn endLine endColumn charOffset charLength")
    assert all(isinstance(n, int) for n in r.values())
    assert r["startLine"] >= 1 and r["startColumn"] >= 1 and r["charOffset"] >= 0 and r["charLength"] >= 0  # type: ignore[operator]
    assert (r["endLine"], r["endColumn"]) >= (r["startLine"], r["startColumn"])  # type: ignore[operator]
    if text is not None:  # lines and columns name the same characters as the offset
        starts = [0, *(m.end() for m in re.finditer("\n", text))]
        offset = starts[r["startLine"] - 1] + r["startColumn"] - 1  # type: ignore[operator]
        end = starts[r["endLine"] - 1] + r["endColumn"] - 1  # type: ignore[operator]
        assert (offset, end - offset) == (r["charOffset"], r["charLength"])
        assert end <= len(text)


def location(value: object, texts: dict[str, str]) -> None:
    physical = keys(keys(value, "physicalLocation", "message")["physicalLocation"], "artifactLocation", "region")
    file = artifact(physical["artifactLocation"])
    if "region" in physical:
        region(physical["region"], texts.get(file))
    if "message" in value:  # type: ignore[operator]
        message(value["message"])  # type: ignore[index]


def artifact(value: object) -> str:
    name = keys(value, "uri")["uri"]
    assert isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._~/%:-]+", name)
    assert not re.search(r"%(?![0-9A-F]{2})", name)
    return unquote(name)


def sound(document: object, texts: dict[str, str]) -> list[dict[str, object]]:
    """The results of a SARIF log, after a check of its whole structure."""
    log = keys(document, "$schema version runs")
    assert log["version"] == "2.1.0" and str(log["$schema"]).endswith("/sarif-schema-2.1.0.json")
    assert isinstance(log["runs"], list)
    (run,) = (keys(run, "tool columnKind results") for run in log["runs"])
    assert run["columnKind"] == "unicodeCodePoints"
    driver = keys(keys(run["tool"], "driver")["driver"], "name version rules")
    assert driver["name"] == "mintdsl" and driver["version"] == __version__
    rules, results = driver["rules"], run["results"]
    assert isinstance(rules, list) and isinstance(results, list)
    ids = []
    for rule in rules:
        r = keys(rule, "id shortDescription fullDescription help defaultConfiguration")
        ids.append(r["id"])
        message(r["shortDescription"])
        message(r["fullDescription"])
        helped = keys(r["help"], "text markdown")
        assert helped["text"] == helped["markdown"] == page(str(r["id"]))
        assert keys(r["defaultConfiguration"], "level")["level"] == CODES[str(r["id"])].severity.value
    assert len(set(ids)) == len(ids) and set(ids) == {result["ruleId"] for result in results}
    for result in results:
        r = keys(result, "ruleId ruleIndex level message locations", "relatedLocations fixes")
        assert ids[r["ruleIndex"]] == r["ruleId"] and r["level"] in LEVELS  # type: ignore[index]
        message(r["message"])
        assert len(r["locations"]) == 1  # type: ignore[arg-type]
        for place in (*r["locations"], *r.get("relatedLocations", ())):  # type: ignore[misc, has-type]
            location(place, texts)
        for fix in r.get("fixes", ()):  # type: ignore[attr-defined]
            message(keys(fix, "description artifactChanges properties")["description"])
            assert keys(fix["properties"], "safety")["safety"] in ("safe", "unsafe")
            assert fix["artifactChanges"]
            for change in fix["artifactChanges"]:
                file = artifact(keys(change, "artifactLocation replacements")["artifactLocation"])
                assert change["replacements"]
                for replacement in change["replacements"]:
                    region(keys(replacement, "deletedRegion insertedContent")["deletedRegion"], texts.get(file))
                    assert isinstance(keys(replacement["insertedContent"], "text")["text"], str)
    return results


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_sarif(path: Path) -> None:
    text = said(path, "sarif")
    assert text.isascii()
    results = sound(json.loads(text), {str(path): path.read_text(encoding="utf-8")})
    lines = [json.loads(line) for line in said(path, "json").splitlines()]
    assert [r["ruleId"] for r in results] == [line["code"] for line in lines]
    for r, line in zip(results, lines, strict=True):
        assert str(r["message"]["text"]).startswith(line["title"])  # type: ignore[index]
        assert len(r.get("relatedLocations", ())) == len(line["labels"]) - 1  # type: ignore[arg-type]
        assert len(r.get("fixes", ())) == sum(bool(fix["edits"]) for fix in line["fixes"])  # type: ignore[arg-type]


def test_sarif_without_results() -> None:
    for args, stdin in (((SMALL,), None), (("-",), "mint 1\n")):
        result = mint(*args, "--output", "sarif", stdin=stdin)
        assert result.exit_code == 0
        assert sound(json.loads(result.output), {}) == []


def test_sarif_of_odd_text() -> None:
    results = sound(json.loads(mint("-", "--output", "sarif", stdin=TWO).output), {"<stdin>": TWO})
    assert {r["ruleId"] for r in results} == {"E0103"}
    empty = mint("-", "--output", "sarif", stdin="")
    (only,) = sound(json.loads(empty.output), {"<stdin>": ""})
    assert only["ruleId"] == "E0110"


def test_sarif_fixes_can_be_applied() -> None:
    text = "mint 1\nlayer A on Vec[D] {\n  param s : scale with diag > 0\n  map x -> s * x + shfit; \n}\n"
    results = sound(json.loads(mint("-", "--output", "sarif", stdin=text).output), {"<stdin>": text})
    (fix,) = (f for r in results if r["ruleId"] == "E0103" for f in r["fixes"])  # type: ignore[attr-defined]
    (change,) = fix["artifactChanges"]
    (replacement,) = change["replacements"]
    at, n = (replacement["deletedRegion"][k] for k in ("charOffset", "charLength"))
    assert text[:at] + replacement["insertedContent"]["text"] + text[at + n :] == text.replace(";", "")


def test_sarif_of_two_files() -> None:
    main, lib = Source("a b/m.mint", "one\ntwo"), Source("lib/x.mint", "three")
    labels = (Label(Span("a b/m.mint", 4, 7), "", True), Label(Span("lib/x.mint", 0, 5), "there"))
    edits = (Edit(Span("lib/x.mint", 0, 0), "x"), Edit(Span("a b/m.mint", 0, 3), ""))
    found = Diagnostic("E0201", "title", labels, (), (Fix("both", edits, Safety.UNSAFE), Fix("words")))
    document = log([found], {main.file: main, lib.file: lib})
    (result,) = sound(document, {main.file: main.text, lib.file: lib.text})
    assert result["message"] == {"text": "title\nhelp: words"}
    assert len(result["fixes"][0]["artifactChanges"]) == 2  # type: ignore[index]
    gone = Diagnostic("E0202", "title", (Label(Span("gone.mint", 5, 9), "", True),))
    sound(log([gone], {}), {})


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("specs/a.mint", "specs/a.mint"),
        ("../a b#c.mint", "../a%20b%23c.mint"),
        ("<stdin>", "%3Cstdin%3E"),
        ("c:x.mint", "c%3Ax.mint"),
        ("ä.mint", "%C3%A4.mint"),
        ("/tmp/a b.mint", "file:///tmp/a%20b.mint"),
    ],
)
def test_uris(file: str, shown: str) -> None:
    assert uri(file) == shown


# ---------------------------------------------------------------- github


def parsed(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: its name, properties and message."""
    match = re.fullmatch(r"::(\w+) ((?:[^:]|:(?!:))*)::(.*)", line, re.DOTALL)
    assert match is not None
    properties = dict(part.split("=", 1) for part in match[2].split(","))
    return match[1], {k: restored(v, ":,") for k, v in properties.items()}, restored(match[3])


def restored(text: str, separators: str = "") -> str:
    for char in (*"\r\n", *separators, "%"):
        text = text.replace(f"%{ord(char):02X}", char)
    return text


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_github(path: Path) -> None:
    lines = said(path, "github").splitlines()
    found = [json.loads(line) for line in said(path, "json").splitlines()]
    assert len(lines) == len(found)
    for line, one in zip(lines, found, strict=True):
        name, properties, text = parsed(line)
        assert name == one["severity"] and properties["title"] == one["code"] and properties["file"] == one["file"]
        assert text.split("\n")[0] == one["title"]
        assert int(properties["line"]) <= int(properties["endLine"])
        assert ("col" in properties) == ("endColumn" in properties) == (properties["line"] == properties["endLine"])


def test_github_escapes() -> None:
    file = "a,b:c%d.mint"
    source = Source(file, "one\ntwo\n")
    labels = (Label(Span(file, 0, 7), "100 %\x1b[0m", True),)
    found = Diagnostic("E0201", "50 % of `a::b`, c", labels, ("first\nsecond",), (Fix("do: this, that"),))
    line = annotation(found, {file: source})
    assert line == (
        "::error file=a%2Cb%3Ac%25d.mint,line=1,endLine=2,title=E0201::50 %25 of `a::b`, c"
        "%0A100 %25\\x1b[0m%0Anote: first%0Asecond%0Ahelp: do: this, that"
    )
    name, properties, text = parsed(line)
    assert (name, properties["file"], text.split("\n")[0]) == ("error", file, "50 % of `a::b`, c")


def test_github_says_what_is_proved() -> None:
    lines = mint(SMALL, "--output", "github").output.splitlines()
    assert len(lines) == 1 and lines[0].startswith("MnistSmall  proved: ")
    warned = "mint 1\nlayer A on Vec[D] {\n  param b : bias\n  map x -> x\n}\n"
    lines = mint("-", "--output", "github", stdin=warned).output.splitlines()
    assert [line[:9] for line in lines] == ["::warning", "A  proved"]
