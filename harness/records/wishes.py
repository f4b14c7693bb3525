"""A variant as a user names it: its folder, and in what it shall differ from its manifest.

    flask-gunicorn[threads=32,workers=2]@flask==3.0.0@python3.12
    flask-gunicorn[cpus=0.5]
    fastapi-uvicorn@fastapi@git+https://host/path@branch

Such a name has one canonical form, which is the label of a row of its own everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.ground import placeholders
from harness.ground.errors import UsageError
from harness.ground.model import Setting, Variant
from harness.ground.names import choose, suggestion

EXAMPLES = (
    "flask-gunicorn[threads=32]@flask==3.0.0@python3.12, or flask-gunicorn@flask@git+https://host/path@branch"
)
_PACKAGE = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_ID = re.compile(r"[^\[@]*")
_SETTINGS = re.compile(r"\[([^\[\]]*)\]")
_SETTING = re.compile(r"([a-z][a-z0-9_]*)=([!-+\--Z\\^-~]+)")
_CPUS = "cpus"
"""What a name has among its settings and no manifest can: a cap of the row's own."""
_LEAST_CPUS, _MOST_CPUS = 0.01, 10_000
"""The kernel's least quota, and more than there is anywhere."""
_PYTHON = re.compile(r"@python([0-9]+\.[0-9]+)(?=[@\[]|\Z)")
_VERSION = re.compile(rf"@({_PACKAGE})==([A-Za-z0-9.!+_-]+)(?=[@\[]|\Z)")
_SOURCE = re.compile(
    rf"@({_PACKAGE})@(git\+(?:https|ssh|file)://(?:git@)?[!-?A-Z\\^-~]+)@([A-Za-z0-9._/+-]+)(?=[@\[]|\Z)"
)
_PINNED = re.compile(rf"\s*({_PACKAGE})")


@dataclass(frozen=True, slots=True)
class Wish:
    """A variant, and in what it shall differ from its manifest."""

    id: str
    """The variant's: its folder's name, with the checkout behind it where that name is taken."""
    settings: tuple[tuple[str, Setting], ...] = ()
    """In the order of their names."""
    versions: tuple[tuple[str, str], ...] = ()
    """By normalised name of a package, in their order: `==3.0.0`, or `git+https://host/path@branch`."""
    python: str | None = None
    """Such as `3.12`."""
    cpus: float | None = None
    """A cap of CPUs of its own."""

    def __str__(self) -> str:
        """Return the canonical name, which `parse` reads."""
        cap = () if self.cpus is None else ((_CPUS, f"{self.cpus:g}"),)
        settings = ",".join(f"{name}={value}" for name, value in sorted((*self.settings, *cap)))
        versions = (f"@{name}{_joined(version)}" for name, version in self.versions)
        python = f"@python{self.python}" if self.python else ""
        return self.id + (f"[{settings}]" if settings else "") + "".join(versions) + python


def parse(text: str) -> Wish:
    """Read a variant's name; raises UsageError for one that can't be read, or says something twice."""
    start = _ID.match(text)
    assert start is not None, "it matches the empty text"
    place = start.end()
    settings: list[tuple[str, Setting]] = []
    versions: list[tuple[str, str]] = []
    pythons: list[str] = []
    while place < len(text):
        if found := _SETTINGS.match(text, place):
            settings += [_setting(text, part) for part in found[1].split(",")]
        elif found := _PYTHON.match(text, place):
            pythons.append(found[1])
        elif found := _VERSION.match(text, place):
            versions.append((normal(found[1]), f"=={found[2]}"))
        elif found := _SOURCE.match(text, place):
            versions.append((normal(found[1]), f"{found[2]}@{found[3]}"))
        else:
            raise UsageError(
                f"{text[place:]!r} can't be read", where=text, remedy=f"write it as in {EXAMPLES}"
            )
        place = found.end()
    for names in (
        [name for name, _ in settings],
        [name for name, _ in versions],
        ["python" for _ in pythons],
    ):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UsageError(f"says {twice[0]} twice", where=text, remedy="give each one value")
    cap = [_cap(text, value) for name, value in settings if name == _CPUS]
    return Wish(
        id=start[0],
        settings=tuple(sorted(pair for pair in settings if pair[0] != _CPUS)),
        versions=tuple(sorted(versions)),
        python=pythons[0] if pythons else None,
        cpus=cap[0] if cap else None,
    )


def base_of(name: str) -> str:
    """Return the id of the variant of which a name is."""
    return re.split(r"[\[@]", name, maxsplit=1)[0]


def normal(package: str) -> str:
    """Return a package's name as all spellings of it have it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def named(names: Iterable[str], known: Mapping[str, Variant], kind: str = "variant") -> dict[str, Variant]:
    """Return the variants of names by their canonical names, each as it was wished for.

    Raises UsageError for a variant, a setting or a package that there is not.
    """
    found = {}
    for wish in map(parse, names):
        choose((wish.id,), known, kind)
        found[str(wish)] = carried_out(wish, known[wish.id])
    return found


def carried_out(wish: Wish, variant: Variant) -> Variant:
    """Return the variant as it was wished for; raises UsageError for a setting or package that it lacks.

    A package has to be among its requirements: a misspelt name would install a stranger's code.
    """
    choose((name for name, _ in wish.settings), variant.settings, f"setting of {variant.id} named")
    for name, value in wish.settings:
        placeholders.check(str(value), ("cpus",), f"{wish}: {name}")
        if isinstance(variant.settings[name], int) and not isinstance(value, int):
            raise UsageError(f"{name} is a number, not {value!r}", where=str(wish), remedy=f"{name}=…")
    if wish.versions:
        packages = _packages(variant)
        for name, _ in wish.versions:
            if name not in packages:
                raise UsageError(
                    f"{variant.id} has no package {name!r}",
                    where=str(wish),
                    remedy=f"{suggestion(name, packages)}; a new one goes into its requirements first",
                )
    return replace(
        variant,
        id=str(wish),
        settings={**variant.settings, **dict(wish.settings)},
        pins=tuple(
            f"{name}{version}" if version.startswith("==") else f"{name} @ {version}"
            for name, version in wish.versions
        ),
        python=wish.python or variant.python,
        cpus=wish.cpus,
    )


def _joined(version: str) -> str:
    return version if version.startswith("==") else f"@{version}"


def _setting(text: str, part: str) -> tuple[str, Setting]:
    found = _SETTING.fullmatch(part)
    if not found:
        raise UsageError(
            f"{part!r} is not a setting with its value",
            where=text,
            remedy="write name=value, as in [threads=32]",
        )
    return found[1], int(found[2]) if re.fullmatch(r"[0-9]+", found[2]) else found[2]


def _cap(text: str, value: Setting) -> float:
    """Return a cap with the digits that its name has."""
    known = re.fullmatch(r"[0-9]*\.?[0-9]+", str(value))
    if not known or not _LEAST_CPUS <= float(value) <= _MOST_CPUS:
        raise UsageError(
            f"{value} CPUs are no cap",
            where=text,
            remedy=f"write a number such as [cpus=0.5]; {_LEAST_CPUS:g} is the kernel's least",
        )
    return float(f"{float(value):g}")


def _packages(variant: Variant) -> set[str]:
    return {normal(found[1]) for line in _lines(variant) if (found := _PINNED.match(line))}


def _lines(variant: Variant) -> Iterator[str]:
    if variant.requirements is None:
        return
    path = Path(variant.folder, variant.requirements)
    try:
        yield from path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path)) from error
