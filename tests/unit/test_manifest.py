from __future__ import annotations

from pathlib import Path

import pytest

from harness.ground.errors import UsageError
from harness.ground.model import Caps
from harness.records.manifest import choose, find_scenarios, find_variants, load_variant, start_command

GOOD = """\
framework = "Flask"
language = "Python"
server = "Gunicorn"
interface = "WSGI"
concurrency = "gthread"
tuning = "default"
start = ["gunicorn", "--bind={host}:{port}", "--workers={workers}", "--chdir={app_dir}", "app:app"]
requirements = "requirements.txt"
implements = ["hello"]

[settings]
workers = "{cpus}"
threads = 16
"""


def write_variant(apps: Path, manifest: str = GOOD, name: str = "flask-gunicorn") -> Path:
    """Make a variant's folder."""
    folder = apps / name
    folder.mkdir(parents=True)
    (folder / "variant.toml").write_text(manifest)
    (folder / "requirements.txt").write_text("flask==3.1.2\n")
    return folder


def test_a_good_manifest_becomes_a_variant(tmp_path: Path) -> None:
    """Every key of the manifest arrives in the record, and the id is the folder's name."""
    variant = load_variant(write_variant(tmp_path))
    assert variant.id == "flask-gunicorn"
    assert variant.folder == str(tmp_path / "flask-gunicorn")
    assert (variant.framework, variant.server, variant.concurrency) == ("Flask", "Gunicorn", "gthread")
    assert variant.settings == {"workers": "{cpus}", "threads": 16}
    assert variant.start[0] == "gunicorn"
    assert variant.implements == ("hello",)
    assert variant.python is None


@pytest.mark.parametrize(
    ("old", "new", "key", "what", "remedy"),
    [
        ("framework =", "framwork =", ": framwork", "is not a key", "did you mean framework?"),
        ("[settings]", "[setings]", ": setings", "is not a key", "did you mean settings?"),
        ('server = "Gunicorn"', "", ": server", "is missing", "add a line: server = …"),
        (
            'server = "Gunicorn"',
            "server = 3",
            ": server",
            "should be a valid string",
            "other variants in apps/",
        ),
        ('"default"', '"fast"', ": tuning", "'default' or 'tuned'", "other variants in apps/"),
        ("threads = 16", "threads = 1.5", ": settings.threads", "not '1.5'", "other variants in apps/"),
        ("threads = 16", "threads = true", ": settings.threads", "not 'True'", "other variants in apps/"),
        ("threads = 16", "port = 16", ": settings.port", "can't be a setting's name", "lower-case"),
        ('"{cpus}"', '"{cpu}"', ": settings.workers", "{cpu} is not a placeholder", "did you mean cpus?"),
        ("{workers}", "{worker}", ": start", "{worker} is not a placeholder", "did you mean workers?"),
        ("{workers}", "{workers!r}", ": start", "{workers!r} is not a placeholder", "did you mean workers?"),
        ("{workers}", "{", ": start", "stray brace", "write {{ and }}"),
        ("[settings]", 'tls = ["{tls_crt}"]\n[settings]', ": tls", "is not a placeholder", "tls_cert?"),
        ("{port}", "80", ": start", "has no {port}", "{host} and {port}"),
        (
            '"gunicorn", ',
            '"gunicorn", 7, ',
            ": start.1",
            "should be a valid string",
            "other variants in apps/",
        ),
        ("requirements.txt", "wants.txt", ": requirements", "'wants.txt' is not a file", "requirements.txt"),
        ("requirements.txt", "../wants.txt", ": requirements", "is not a file of the variant's", ""),
        ("[settings]", 'python = "three"\n[settings]', ": python", "should match pattern", ""),
        ("[settings]", "[settings", "", "is not TOML", "correct that line"),
    ],
)
def test_a_mistake_names_file_key_and_remedy(
    tmp_path: Path, old: str, new: str, key: str, what: str, remedy: str
) -> None:
    """Each kind of mistake is told with the file, the key and what to do."""
    assert old in GOOD
    folder = write_variant(tmp_path, GOOD.replace(old, new, 1))
    (tmp_path / "wants.txt").write_text("")
    with pytest.raises(UsageError) as caught:
        load_variant(folder)
    assert caught.value.where == f"{folder}/variant.toml{key}"
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_bytes_that_are_no_text_are_a_mistake_too(tmp_path: Path) -> None:
    """A manifest in another encoding is a usage error, not a traceback."""
    folder = write_variant(tmp_path)
    (folder / "variant.toml").write_bytes(b'framework = "\xff"')
    with pytest.raises(UsageError, match="is not TOML"):
        load_variant(folder)


def test_a_missing_manifest_and_a_bad_name_are_told(tmp_path: Path) -> None:
    """A folder without a manifest, or with a name that is no id, is a usage error."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"variant\.toml: can't be read"):
        load_variant(tmp_path / "empty")
    with pytest.raises(UsageError, match="can't be a variant's name"):
        load_variant(write_variant(tmp_path, name="Flask_App"))


def test_variants_are_found_in_every_apps_folder(tmp_path: Path) -> None:
    """Folders with a manifest are variants, in the order of their ids; others are passed over."""
    write_variant(tmp_path / "one", name="zeta")
    write_variant(tmp_path / "two", name="alpha")
    (tmp_path / "one" / "domain").mkdir()
    found = find_variants([tmp_path / "one", tmp_path / "two", tmp_path / "one"])
    assert list(found) == ["alpha", "zeta"]


@pytest.mark.parametrize(
    ("further", "name"),
    [
        ("other/apps", "other"),
        ("My Branch_2/apps", "my-branch-2"),
        ("mine", "mine"),
        ("…/apps", "other"),
    ],
)
def test_a_name_that_is_taken_gets_its_checkout(tmp_path: Path, further: str, name: str) -> None:
    """Only a further folder's variant of a name that an earlier one has is called by its checkout too."""
    write_variant(tmp_path / "here/apps")
    write_variant(tmp_path / further)
    write_variant(tmp_path / further, name="only-there")
    found = find_variants([tmp_path / "here/apps", tmp_path / further])
    assert {label: variant.folder for label, variant in found.items()} == {
        "flask-gunicorn": f"{tmp_path}/here/apps/flask-gunicorn",
        f"flask-gunicorn~{name}": f"{tmp_path}/{further}/flask-gunicorn",
        "only-there": f"{tmp_path}/{further}/only-there",
    }
    assert all(variant.id == label for label, variant in found.items())


def test_one_id_twice_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    """Two variants that even the checkout does not tell apart are refused, as is a folder that is missing."""
    for apps in ("one", "b/two/apps", "c/two/apps"):
        write_variant(tmp_path / apps)
    with pytest.raises(UsageError, match=r"flask-gunicorn~two is already in .*\n.*checkout"):
        find_variants([tmp_path / "one", tmp_path / "b/two/apps", tmp_path / "c/two/apps"])
    (tmp_path / "one/linked").symlink_to("flask-gunicorn")
    with pytest.raises(UsageError, match="flask-gunicorn is already in"):
        find_variants([tmp_path / "one"])
    with pytest.raises(UsageError, match="no such apps folder"):
        find_variants([tmp_path / "three"])


def test_placeholders_are_filled(tmp_path: Path) -> None:
    """Host, port, folder and settings arrive; {cpus} is the cap in whole CPUs, at least 1."""
    variant = load_variant(write_variant(tmp_path))
    filled = start_command(
        variant, host="127.0.0.1", port=8001, caps=Caps(cpus=1.5, memory_bytes=1), settings={}
    )
    assert filled == (
        "gunicorn",
        "--bind=127.0.0.1:8001",
        "--workers=2",
        f"--chdir={variant.folder}",
        "app:app",
    )
    half = start_command(
        variant, host="127.0.0.1", port=8001, caps=Caps(cpus=0.5, memory_bytes=1), settings={}
    )
    assert half[2] == "--workers=1"


def test_arguments_for_tls_follow_where_there_is_a_certificate(tmp_path: Path) -> None:
    """They are there with a certificate alone; a variant that has none can't be started with one."""
    speaks = 'tls = ["--certfile={tls_cert}", "--keyfile={tls_key}"]\n[settings]'
    variant = load_variant(write_variant(tmp_path / "one", GOOD.replace("[settings]", speaks)))
    caps = Caps(cpus=1, memory_bytes=1)
    plain = start_command(variant, host="h", port=1, caps=caps, settings={})
    filled = start_command(variant, host="h", port=1, caps=caps, settings={}, tls_cert="/c", tls_key="/k")
    assert filled == (*plain, "--certfile=/c", "--keyfile=/k")
    without = load_variant(write_variant(tmp_path / "two"))
    with pytest.raises(UsageError, match="can't speak TLS"):
        start_command(without, host="h", port=1, caps=caps, settings={}, tls_cert="/c", tls_key="/k")


def test_settings_override_and_unknown_ones_are_told(tmp_path: Path) -> None:
    """A setting of a cell replaces the default; one that the variant lacks names the nearest."""
    variant = load_variant(write_variant(tmp_path))
    caps = Caps(cpus=1, memory_bytes=1)
    filled = start_command(variant, host="h", port=1, caps=caps, settings={"workers": 7})
    assert filled[2] == "--workers=7"
    with pytest.raises(UsageError, match="did you mean threads"):
        start_command(variant, host="h", port=1, caps=caps, settings={"thread": 7})


def test_choose_keeps_the_order_and_names_the_nearest() -> None:
    """Known names come back once each; an unknown one is told with the nearest or with all."""
    known = {"hello": 1, "history": 2}
    assert choose(["history", "hello", "history"], known, "scenario") == ("history", "hello")
    with pytest.raises(UsageError) as near:
        choose(["helo"], known, "scenario")
    assert str(near.value) == "there is no scenario 'helo'\n  did you mean hello?"
    with pytest.raises(UsageError, match="known: hello, history"):
        choose(["zzz"], known, "scenario")


def test_scenario_heads_are_read_without_running_them(tmp_path: Path) -> None:
    """What a head says is read from the source; what it does not is nothing; `_` files are passed over."""
    (tmp_path / "history.py").write_text(
        'raise SystemExit\nNEEDS: tuple[str, ...] = ("postgres",)\nENDPOINTS = ["GET /api/{id}"]\n'
        "USERS = 100\nHIT_RATE = 0.62\n"
    )
    (tmp_path / "hello.py").write_text('"""Nothing."""\n')
    (tmp_path / "_shared.py").write_text("NEEDS = 1\n")
    found = find_scenarios(tmp_path)
    assert list(found) == ["hello", "history"]
    assert found["history"].services == ("postgres",)
    assert found["history"].endpoints == ("GET /api/{id}",)
    assert (found["history"].users, found["history"].hit_rate) == (100, 0.62)
    assert found["hello"].services == found["hello"].endpoints == ()
    assert found["hello"].users is found["hello"].hit_rate is None
    assert found["hello"].path == str(tmp_path / "hello.py")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("NEEDS = tuple(['postgres'])\n", ":1"),
        ("\nNEEDS = ('postgres',) + ()\n", ":2"),
        ("NEEDS = 'postgres'\n", ":1"),
        ("NEEDS = (1,)\n", ":1"),
        ("NEEDS = ()\nNEEDS = ('postgres',)\n", ":2"),
        ("NEEDS = ()\nNEEDS += ('postgres',)\n", ":2"),
        ("if True:\n    NEEDS = ()\n", ":2"),
        ("ENDPOINTS = ('/json',)\n", ":1"),
        ("USERS = 0\n", ":1"),
        ("USERS = 100.0\n", ":1"),
        ("USERS = True\n", ":1"),
        ("HIT_RATE = 62\n", ":1"),
        ("HIT_RATE = '0.62'\n", ":1"),
        ("def f():\n    global HIT_RATE\n    HIT_RATE = 0.5\n", ":3"),
        ("a = (\n", ":1"),
    ],
)
def test_a_head_that_is_no_literal_is_told_with_its_line(tmp_path: Path, source: str, line: str) -> None:
    """Whatever can't be read without running the file is a usage error at that line."""
    path = tmp_path / "odd.py"
    path.write_text(source)
    with pytest.raises(UsageError) as caught:
        find_scenarios(tmp_path)
    assert caught.value.where == f"{path}{line}"


def test_a_scenario_must_not_hide_a_standard_module(tmp_path: Path) -> None:
    """A file called json.py would hide `json` from Locust, which puts its folder first."""
    (tmp_path / "json.py").write_text("")
    with pytest.raises(UsageError, match="can't be called 'json'"):
        find_scenarios(tmp_path)


def test_no_variant_of_the_project_can_be_taken_for_a_library() -> None:
    """Its `apps` is on the path of imports, where a folder `tornado` would be found in place of Tornado."""
    folders = {variant.id for variant in find_variants([Path(__file__).parents[2] / "apps"]).values()}
    assert len(folders) > 20
    assert not {name for name in folders if name.isidentifier()}
