"""Names of variants in other settings and versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from harness.ground.errors import UsageError
from harness.ground.model import Setting, Variant
from harness.records.wishes import Wish, base_of, named, parse

ids = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(~[a-z0-9-]+)?", fullmatch=True)
words = st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True)
values = st.integers(0, 10**6) | st.from_regex(r"[A-Za-z{:./@=][A-Za-z0-9{}:./@=_-]*", fullmatch=True)
versions = st.from_regex(r"==[0-9]+(\.[0-9]+){1,2}(rc1)?", fullmatch=True) | st.from_regex(
    r"git\+(https|ssh|file)://(git@)?[a-z.]+/[a-z0-9./_-]*[a-z]@[a-z0-9][a-z0-9./_-]*", fullmatch=True
)
wishes = st.builds(
    Wish,
    id=ids,
    settings=st.dictionaries(
        st.from_regex(r"(?!cpus)[a-z][a-z0-9_]*", fullmatch=True), values, max_size=3
    ).map(lambda pairs: tuple(sorted(pairs.items()))),
    versions=st.dictionaries(words, versions, max_size=3).map(lambda pairs: tuple(sorted(pairs.items()))),
    python=st.none() | st.from_regex(r"3\.[0-9]{1,2}", fullmatch=True),
    cpus=st.none() | st.integers(1, 100_000).map(lambda hundredths: hundredths / 100),
)


def variant(tmp_path: Path) -> Variant:
    """Return Flask with two settings and three requirements."""
    (tmp_path / "requirements.txt").write_text(
        "# the whole\nflask==3.1.3\nWerkzeug[x]==3.1.9 ; a\nmy_it>=2\n"
    )
    settings: dict[str, Setting] = {"threads": 16, "workers": "{cpus}"}
    return replace(
        synthetic.variant("flask-gunicorn"),
        folder=str(tmp_path),
        settings=settings,
        requirements="requirements.txt",
    )


@given(wishes)
def test_a_name_is_read_as_it_is_written(wish: Wish) -> None:
    """Whatever a wish holds, its canonical name says it all, once."""
    assert parse(str(wish)) == wish
    assert base_of(str(wish)) == wish.id


@given(st.text(alphabet="abz-[],=@.+:/ 03\n") | st.text())
def test_what_is_no_name_is_told(text: str) -> None:
    """Any text is either read, and then its canonical form is stable, or refused by one message."""
    try:
        wish = parse(text)
    except UsageError:
        return
    assert parse(str(wish)) == wish


def test_the_order_of_changes_does_not_matter() -> None:
    """However a user writes it, the row is the same."""
    name = "flask-gunicorn[threads=32,workers=2]@flask==3.0.0@werkzeug==3.0.1@python3.12"
    for text in (
        "flask-gunicorn@python3.12@werkzeug==3.0.1@Flask==3.0.0[workers=2][threads=032]",
        "flask-gunicorn[workers=2,threads=32]@werkzeug==3.0.1@flask==3.0.0@python3.12",
    ):
        assert str(parse(text)) == name


def test_a_wish_is_carried_out(tmp_path: Path) -> None:
    """Settings, versions and Python take the places of the manifest's; all else stays, `tuning` too."""
    base = variant(tmp_path)
    name = "flask-gunicorn[threads=32]@flask==3.0.0@my-it@git+file:///x/y@main@python3.12"
    assert named(
        ["flask-gunicorn@my_it@git+file:///x/y@main@python3.12@flask==3.0.0[threads=32]"], {base.id: base}
    ) == {
        name: replace(
            base,
            id=name,
            settings={"threads": 32, "workers": "{cpus}"},
            pins=("flask==3.0.0", "my-it @ git+file:///x/y@main"),
            python="3.12",
        )
    }
    assert named([base.id], {base.id: base}) == {base.id: base}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("flask", "no variant 'flask'.*did you mean flask-gunicorn"),
        ("", "no variant ''"),
        ("flask-gunicorn[thread=4]", "no setting of flask-gunicorn named 'thread'.*did you mean threads"),
        ("flask-gunicorn[threads=many]", "threads is a number, not 'many'"),
        ("flask-gunicorn[workers={cpu}]", "{cpu} is not a placeholder.*cpus"),
        ("flask-gunicorn[threads]", "'threads' is not a setting with its value"),
        ("flask-gunicorn[]", "'' is not a setting with its value"),
        ("flask-gunicorn[threads=4,threads=5]", "says threads twice"),
        ("flask-gunicorn[threads=4", r"'\[threads=4' can't be read"),
        ("flask-gunicorn@flsk==3.0.0", "has no package 'flsk'.*did you mean flask"),
        ("flask-gunicorn@flask==1@Flask==2", "says flask twice"),
        ("flask-gunicorn@flask=3", "'@flask=3' can't be read.*write it as"),
        ("flask-gunicorn@flask>=3", "can't be read"),
        ("flask-gunicorn@python3", "'@python3' can't be read"),
        ("flask-gunicorn@python3.12@python3.13", "says python twice"),
        ("flask-gunicorn@flask@git+https://host/flask", "can't be read.*@branch"),
        ("flask-gunicorn@flask@git+https://me:secret@host/flask@main", "can't be read"),
        ("flask-gunicorn@flask@git+ext::sh%20-c%20id@main", "can't be read"),
        ("flask-gunicorn@flask@../flask@main", "can't be read"),
        ("flask-gunicorn\n", "no variant"),
        ("flask-gunicorn[threads=4]\n", "can't be read"),
    ],
)
def test_a_mistake_in_a_name_is_told(tmp_path: Path, text: str, says: str) -> None:
    """One message for each mistake, with the nearest name where there is one."""
    base = variant(tmp_path)
    with pytest.raises(UsageError, match=f"(?s){says}"):
        named([text], {base.id: base})


@pytest.mark.parametrize(
    ("text", "name", "cpus"),
    [
        ("flask-gunicorn[cpus=0.5]", "flask-gunicorn[cpus=0.5]", 0.5),
        ("flask-gunicorn[threads=4][cpus=.250]", "flask-gunicorn[cpus=0.25,threads=4]", 0.25),
        ("flask-gunicorn[cpus=2.0]", "flask-gunicorn[cpus=2]", 2.0),
        ("flask-gunicorn[cpus=02]", "flask-gunicorn[cpus=2]", 2.0),
    ],
)
def test_a_name_may_hold_a_cap(tmp_path: Path, text: str, name: str, cpus: float) -> None:
    """`cpus` is no setting of the variant but a cap of the row's own, with one canonical form."""
    base = variant(tmp_path)
    (found,) = named([text], {base.id: base}).values()
    assert (found.id, found.cpus) == (name, cpus)
    assert "cpus" not in found.settings
    assert base.cpus is None


@pytest.mark.parametrize(
    "value", ["0", "0.0", "0.009", "-1", "half", "nan", "inf", "1e3", "1.", "{cpus}", "10001"]
)
def test_a_cap_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    """Zero, less than the kernel can, and what is no number are refused with one message."""
    base = variant(tmp_path)
    with pytest.raises(UsageError, match=r"(?s)CPUs are no cap.*cpus=0\.5"):
        named([f"flask-gunicorn[cpus={value}]"], {base.id: base})


def test_a_variant_without_requirements_has_no_versions(tmp_path: Path) -> None:
    """A version of a package that it does not install is refused."""
    base = replace(variant(tmp_path), requirements=None)
    with pytest.raises(UsageError, match="has no package 'flask'"):
        named(["flask-gunicorn@flask==3.0.0"], {base.id: base})
