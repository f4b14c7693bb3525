"""What a variant installs: its file of requirements, with the versions that were wished for in their place.

Where a wished version does not go with another one of the file, `uv` changes that one too, and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.ground import process
from harness.ground.errors import UsageError, VariantFailed
from harness.ground.model import Variant
from harness.machine.installer import InstallFailed, explain, run_uv
from harness.records.wishes import normal

_LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<extras>\[[^\]]*\])?\s*(?P<version>==\s*[^\s;]+)?(?P<rest>.*)"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")


def is_source(pin: str) -> bool:
    """Return whether a pin names a git repository, whose code nobody has published."""
    return " @ " in pin


def with_commits(variant: Variant) -> Variant:
    """Return the variant with the commit of each git branch or tag in its place, which names one content.

    Raises VariantFailed where there is no such repository, branch or tag.
    """
    return replace(
        variant, pins=tuple(_with_commit(variant, pin) if is_source(pin) else pin for pin in variant.pins)
    )


def may_be(pins: Sequence[str], wished: Sequence[str]) -> bool:
    """Return whether pins are the wished ones, each branch or tag by some commit."""
    return len(pins) == len(wished) and all(map(_may_be, pins, wished))


def wanted(variant: Variant, cache: Path, *python: str) -> str:
    """Return the requirements of a variant; `python` are the arguments that tell uv for which Python.

    Raises UsageError for a file that refers to others, VariantFailed for versions that can't be had together,
    and EnvironmentUnfit where no registry answers.
    """
    own = _written(variant)
    if not variant.pins:
        return own
    content = json.dumps([own, variant.pins, python])
    kept = cache / "requirements" / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.txt"
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        _resolve(variant, own, kept, cache, python)
    return kept.read_text(encoding="utf-8")


def _resolve(variant: Variant, own: str, kept: Path, cache: Path, python: tuple[str, ...]) -> None:
    """Have uv choose: it prefers the versions that it finds where it is to write."""
    loose, found = (kept.with_suffix(f".{os.getpid()}.{kind}") for kind in ("in", "txt"))
    try:
        loose.write_text("\n".join(_loosened(own, variant.pins)), encoding="utf-8")
        found.write_text(own, encoding="utf-8")
        run_uv(
            "pip", "compile", "--quiet", "--no-header", "--no-annotate", *python,
            "--output-file", str(found), str(loose), cache=cache,
        )  # fmt: skip
        found.replace(kept)
    except InstallFailed as failure:
        raise explain(failure.output, variant, cache) from failure
    finally:
        loose.unlink(missing_ok=True)
        found.unlink(missing_ok=True)


def _loosened(own: str, pins: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines without versions, but for the pinned packages'."""
    pinned = {normal(_parts(pin)["name"]): pin for pin in pins}
    for line in own.splitlines():
        parts = _LINE.match(line.strip())
        pin = pinned.get(normal(parts["name"])) if parts else None
        if pin:
            name = _parts(pin)["name"]
            yield name + (_parts(line.strip())["extras"] or "") + pin.removeprefix(name)
        elif parts and parts["version"]:
            yield parts["name"] + (parts["extras"] or "") + parts["rest"]
        else:
            yield line


def _parts(line: str) -> dict[str, str]:
    parts = _LINE.match(line)
    assert parts is not None, line
    return parts.groupdict()


def _with_commit(variant: Variant, pin: str) -> str:
    source, _, ref = pin.rpartition("@")
    url = source.partition("git+")[2]
    if _COMMIT.fullmatch(ref):
        return pin
    told = process.run(
        ("git", "ls-remote", "--", url, f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"),
        timeout_s=60,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0"},
    )
    commits = [line.split("\t")[0] for line in told.output.splitlines()]
    if told.exit or not commits:
        raise VariantFailed(
            f"the git repository has no branch or tag {ref!r}"
            if not told.exit
            else "git can't read the repository",
            where=variant.id,
            remedy=f"git ls-remote {url} lists them",
            log=told.complaint,
        )
    return f"{source}@{commits[-1]}"


def _may_be(pin: str, wish: str) -> bool:
    source, _, commit = pin.rpartition("@")
    return pin == wish or (bool(_COMMIT.fullmatch(commit)) and source == wish.rpartition("@")[0])


def _unpinned(line: str) -> str | None:
    """Return the package of a line that leaves its version open; None for any other line."""
    parts = _LINE.fullmatch(line.partition(" #")[0])
    if parts is None or parts["version"] or parts["rest"].lstrip().startswith(("@", ":")):  # a URL names one
        return None
    return parts["name"]


def _written(variant: Variant) -> str:
    """Return the file's content; what lies outside of it would not be part of the environment's name."""
    if variant.requirements is None:
        return ""
    path = Path(variant.folder, variant.requirements)
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't be read: {error}", where=str(path)) from error
    for number, line in enumerate(content.splitlines(), start=1):
        word = line.strip()
        if word.startswith(
            (".", "/", "file:", "-r", "-c", "-e", "--requirement", "--constraint", "--editable")
        ):
            raise UsageError(
                f"{word!r} refers to another file",
                where=f"{path}:{number}",
                remedy="write every requirement of the variant into this one file, with its version",
            )
        if name := _unpinned(word):
            raise UsageError(
                f"{name} has no version",
                where=f"{path}:{number}",
                remedy=f"write {name}==VERSION, lest each environment be another one",
            )
    return content
