"""Operations beyond the contract: who is held to their cases, and what is told of mistakes in them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import synthetic

from harness.cli import main
from harness.cli.holding import ask_once, demands
from harness.ground.errors import UsageError
from harness.ground.model import Load, Scenario, Timing
from harness.lifecycle.verify import due_from
from harness.records.contract import Case
from harness.records.plan import Suite, lay_out
from harness.records.project import Project

ROOT = Path(__file__).parents[2]
SHOP = "GET /api/shop/items/{item_id}"
CASE = {
    "name": "shop: an item",
    "endpoint": SHOP,
    "request": {"method": "GET", "path": "/api/shop/items/1"},
    "expect": {"status": 200, "json": "<any>"},
}
SAYS_NOTHING = synthetic.variant("flask-gunicorn")
NAMES_IT = replace(SAYS_NOTHING, id="shop", implements=("hello", "shop"))


def scenario(*endpoints: str, needs: tuple[str, ...] = ()) -> str:
    """Return a scenario's file, of which the head alone is read here."""
    return f"NEEDS = {needs!r}\nENDPOINTS = {endpoints!r}\n"


def cases_file(*cases: Mapping[str, Any]) -> str:
    """Return a file of cases."""
    return json.dumps({"cases": cases})


class Own:
    """A user's own folder, beside the project of this checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("shop.py", scenario(SHOP))
        self.write("shop.json", cases_file(CASE))

    def write(self, name: str, text: str, folder: str = "scenarios") -> Path:
        """Write a file beside the scenarios."""
        path = self.folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def demands(self) -> tuple[dict[str, Scenario], tuple[Case, ...]]:
        """Return the scenarios and cases that there are with it."""
        return demands(Project(ROOT), (self.folder,))


@pytest.fixture
def own(tmp_path: Path) -> Own:
    """Return a folder with the scenario of a shop and its case."""
    return Own(tmp_path / "mine")


def test_cases_beside_scenarios_join_the_contract(own: Own) -> None:
    """An own folder's cases and scenarios are there beside the project's, which stay as they are."""
    ours, contract = demands(Project(ROOT), ())
    own.write("_data.json", "no case, like every file that begins so")
    scenarios, cases = own.demands()
    assert scenarios.keys() - ours.keys() == {"shop"}
    assert [case.name for case in cases if case.extends] == ["shop: an item"]
    assert [case for case in cases if not case.extends] == list(contract)
    assert [name for name, one in scenarios.items() if one.extends] == ["shop"]
    assert not any(one.extends for one in ours.values())


def test_cases_beside_the_projects_scenarios_extend_it_too(tmp_path: Path) -> None:
    """In a checkout an own operation needs no folder outside of it, and no change of the contract."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/contract").symlink_to(ROOT / "apps/contract")
    Own(tmp_path)
    scenarios, cases = demands(Project(tmp_path), ())
    assert scenarios["shop"].extends
    assert [case.endpoint for case in cases if case.extends] == [SHOP]


def test_only_who_names_an_extension_is_held_to_it(own: Own) -> None:
    """A variant that declares nothing implements the project's contract, and nobody's extension of it."""
    scenarios, cases = own.demands()

    def held(variant: Any, *names: str) -> list[str]:  # noqa: ANN401 - a variant
        return [c.name for c in due_from(variant, cases, [scenarios[n] for n in names]) if c.extends]

    assert held(SAYS_NOTHING, *scenarios) == []
    assert held(NAMES_IT, *scenarios) == held(NAMES_IT, "shop") == ["shop: an item"]
    assert held(NAMES_IT, "hello") == []
    assert held(replace(SAYS_NOTHING, implements=("hello",)), *scenarios) == []


def test_a_scenario_that_says_nothing_asks_for_no_extension(own: Own) -> None:
    """Where a scenario does not say what it drives, all cases of the contract are due, and those alone."""
    own.write("silent.py", "")
    scenarios, cases = own.demands()
    due = due_from(SAYS_NOTHING, cases, [scenarios["silent"]])
    assert due == tuple(case for case in cases if not case.extends)


def test_an_own_scenario_within_the_contract_is_for_all(own: Own) -> None:
    """What asks for the project's operations alone extends nothing, so every base variant serves it."""
    own.write("greetings.py", scenario("GET /json"))
    scenarios, _ = own.demands()
    assert not scenarios["greetings"].extends
    assert SAYS_NOTHING.serves(scenarios["greetings"])
    assert not SAYS_NOTHING.serves(scenarios["shop"])


def test_a_variant_without_the_extension_has_no_cell(own: Own) -> None:
    """A suite may combine both: the variant runs on what it implements, and is left out of the rest."""
    scenarios, _ = own.demands()
    variants = {one.id: one for one in (SAYS_NOTHING, NAMES_IT)}
    wanted = Suite("s", "", tuple(variants), ("hello", "shop"), (Load("closed", 1),), 1, Timing(0, 1), ())
    cells = {(one.cell.variant, one.cell.scenario) for one in lay_out(wanted, variants, scenarios, 1).trials}
    assert cells == {("flask-gunicorn", "hello"), ("shop", "hello"), ("shop", "shop")}


def changed(key: str, value: object) -> str:
    """Return the shop's file of cases with one key of its case changed."""
    return cases_file({**CASE, key: value})


@pytest.mark.parametrize(
    ("name", "text", "at", "what", "remedy"),
    [
        ("shop.json", "{", "shop.json", "is no JSON: Expecting property name", "correct that line"),
        (
            "shop.json",
            "{}",
            "shop.json",
            "is no list of cases: cases: Field required",
            "apps/contract/README",
        ),
        (
            "shop.json",
            changed("expct", 1),
            "shop.json",
            "cases.0.expct: Extra inputs",
            "apps/contract/README",
        ),
        (
            "shop.json",
            changed("like", "itm"),
            "shop.json",
            "there is no request named 'itm'",
            "",
        ),
        ("shop.json", changed("drop", ["a"]), "shop.json", "'shop: an item' changes fields", ""),
        (
            "shop.json",
            changed("request", {"method": "GET", "path": "@example.com/"}),
            "shop.json",
            "'shop: an item': request.path: String should match",
            "",
        ),
        (
            "more.json",
            cases_file(CASE),
            "shop.json",
            "two cases are called 'shop: an item'; the other is in {folder}/more.json",
            "rename one",
        ),
        ("more.json", changed("name", "json: greets"), "more.json", "the other is in", "rename one"),
        (
            "shop.json",
            changed("endpoint", None),
            "shop.json",
            "'shop: an item' is about no operation",
            '"endpoint": "GET /api/shop/items"',
        ),
        (
            "shop.json",
            changed("endpoint", "GET /json"),
            "shop.json",
            "which is the project's",
            "a path of its",
        ),
        (
            "more.json",
            cases_file({**CASE, "name": "b", "endpoint": "GET /api/shop/item"}),
            "more.json",
            "no scenario drives GET /api/shop/item, so nobody would be held to 'b'",
            f"did you mean {SHOP}?",
        ),
        (
            "shop.py",
            scenario(SHOP, "GET /api/shop/itms"),
            "shop.py: ENDPOINTS",
            "no case says what is due from GET /api/shop/itms",
            f"did you mean {SHOP}?",
        ),
        (
            "shop.py",
            scenario(SHOP, needs=("postgress",)),
            "shop.py: NEEDS",
            "there is no service 'postgress'",
            "did you mean postgres?",
        ),
        (
            "shop.json",
            changed("needs", ["valky"]),
            "shop.json: 'shop: an item'",
            "there is no service 'valky'",
            "did you mean valkey?",
        ),
        ("hello.py", scenario("GET /json"), "hello.py", "the scenario hello is already in", "rename one"),
    ],
)
def test_a_mistake_names_its_file_and_what_to_do(
    own: Own, name: str, text: str, at: str, what: str, remedy: str
) -> None:
    """Each is one message: the file, what is wrong in it, and the remedy."""
    own.write(name, text)
    folder = own.folder / "scenarios"
    with pytest.raises(UsageError) as caught:
        own.demands()
    assert caught.value.where == f"{folder}/{at}"
    assert what.format(folder=folder) in caught.value.what
    assert remedy in caught.value.remedy
    assert caught.value.remedy


@pytest.mark.parametrize("command", ["verify flask-gunicorn", "serve flask-gunicorn", "run"])
def test_a_mistake_ends_every_command_before_anything_is_started(
    own: Own, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever command is given the folder says so with exit code 2, and asks nothing."""
    monkeypatch.chdir(ROOT)
    own.write("shop.json", "{")
    assert main.run_command_line([*command.split(), "--apps", str(own.folder)]) == 2
    said = capsys.readouterr()
    assert f"webdyno: {own.folder}/scenarios/shop.json: is no JSON" in said.err
    assert said.out == ""


def test_a_scenario_from_elsewhere_is_shown_and_asked_about(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is run as the user, so it is named; where nobody agrees it is not run; `--yes` agrees."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    project = Project(ROOT)
    scenarios, _ = own.demands()
    with pytest.raises(UsageError, match="not run"):
        ask_once(project, {}, scenarios.values(), yes=False)
    said = capsys.readouterr().err
    assert f"shop ({own.folder}/scenarios/shop.py) will run as you do" in " ".join(said.split())
    assert "hello" not in said
    ask_once(project, {}, scenarios.values(), yes=True)
    ask_once(project, {}, [scenarios["hello"]], yes=False)
    assert capsys.readouterr().err == ""


def test_a_folder_of_scenarios_is_no_variant(own: Own) -> None:
    """A variant can't take the folder's name, or its code would be taken for scenarios."""
    own.write("variant.toml", "")
    with pytest.raises(UsageError, match="'scenarios' can't be a variant's name"):
        Project(ROOT).variants((own.folder,))


def test_the_same_folder_twice_is_one(own: Own) -> None:
    """A folder that is given twice, or by a link, is no second one with the same names."""
    link = own.folder.parent / "link"
    link.symlink_to(own.folder)
    once = own.demands()
    assert demands(Project(ROOT), (own.folder, own.folder, link)) == once
    assert demands(Project(ROOT), (link,)) == once
