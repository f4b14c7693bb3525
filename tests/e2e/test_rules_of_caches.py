"""The rule about caches against two real variants: one that hits as often as it may, and one more often."""

import json
import shutil
from pathlib import Path

import pytest
from parties import as_root
from running import ROOT, Home, codes

pytestmark = [as_root, pytest.mark.slow, pytest.mark.alone]
RULES_BROKEN_BY_CACHES = {"hit-rate": "invalid"}
WRITES = "    result, cached = writer.write(asked)\n"
WRITES_AHEAD = """    result, cached = writer.write(asked)
    ahead = re.sub(r"[0-9]+(?=[.]$)", lambda found: str(int(found[0]) + 60), asked.content)
    if ahead != asked.content:
        writer.write(asked.model_copy(update={"content": ahead}))
"""


def test_a_cache_that_hits_too_often_is_found(tmp_path: Path) -> None:
    """A variant that writes later texts before they are asked for answers well, and breaks this rule."""
    home = Home(tmp_path / "home")
    (home.folder / "apps/flask-gunicorn").symlink_to(ROOT / "apps/flask-gunicorn")
    ahead = home.folder / "apps/flask-ahead"
    shutil.copytree(ROOT / "apps/flask-gunicorn", ahead, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(  # it is found before the shared one
        ROOT / "apps/flask_api", ahead / "flask_api", ignore=shutil.ignore_patterns("__pycache__")
    )
    view = ahead / "flask_api/text.py"
    source = view.read_text()
    assert source.count(WRITES) == source.count("from domain.description") == 1
    source = source.replace("from domain.description", "import re\n\nfrom domain.description")
    view.write_text(source.replace(WRITES, WRITES_AHEAD))
    home.suite(
        variants='["flask-gunicorn", "flask-ahead"]',
        scenarios='["text"]',
        blocks="1",
        window_s="4",
        warmup_s="2",
    )
    with home.run("--json") as command:
        ended = command.end(bound_s=200)
    found = codes(ended)
    assert found["flask-ahead"].get("hit-rate") == "invalid", found
    assert "errors" not in found["flask-ahead"], found
    assert "hit-rate" not in found["flask-gunicorn"], found
    trials = [json.loads(path.read_bytes()) for path in home.results.glob("*/trials/*/trial.json")]
    (marks,) = [one["load"]["marks"] for one in trials if one["cell"]["variant"] == "flask-gunicorn"]
    assert marks["hit"] / (marks["hit"] + marks["miss"]) == pytest.approx(0.62, abs=0.02)
