"""The table of rules against the end-to-end tests: whether each rule has been broken for real."""

import ast
from collections.abc import Iterator
from pathlib import Path

from harness.judgement.rules import BY_CODE

E2E = Path(__file__).parents[1] / "e2e"
NOT_BROKEN_FOR_REAL = {
    "slow-interpreter": "how this machine's Python was built decides, and not every machine has another one",
}


def tables(module: Path) -> Iterator[tuple[str, ast.Dict]]:
    """Yield a module's tables of broken rules by their names."""
    for line in ast.parse(module.read_text()).body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table):
                yield name, table
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict() as table):
                yield name, table


def test_every_rule_is_broken_for_real() -> None:
    """Each rule is a key of some end-to-end module's table `RULES_BROKEN…`, or there is a reason why not."""
    broken = {
        str(ast.literal_eval(key))
        for module in E2E.glob("test_*.py")
        for name, table in tables(module)
        if name.startswith("RULES_BROKEN")
        for key in table.keys
        if key is not None
    }
    assert broken | NOT_BROKEN_FOR_REAL.keys() == BY_CODE.keys()
    assert not broken & NOT_BROKEN_FOR_REAL.keys()
