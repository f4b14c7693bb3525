"""Becomes the variant in the current folder: the command of its `variant.toml`, with the placeholders filled.

For a container that a person starts; `webdyno` fills the placeholders itself. The environment says where
to listen (`HOST`, `PORT`) and how many CPUs the cap pays for (`CPUS`).
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path


def command(folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Return the argument list of the variant in a folder."""
    manifest = tomllib.loads((folder / "variant.toml").read_text(encoding="utf-8"))
    cpus = max(1, math.ceil(float(environment.get("CPUS", "1"))))
    given = {
        "host": environment.get("HOST", "127.0.0.1"),
        "port": environment.get("PORT", "8000"),
        "cpus": cpus,
        "app_dir": folder,
        "tls_cert": "",
        "tls_key": "",
    }
    own = {name: str(value).format(cpus=cpus) for name, value in manifest.get("settings", {}).items()}
    return [argument.format(**own, **given) for argument in manifest["start"]]


def main() -> None:
    """Become the variant."""
    argv = command(Path.cwd(), os.environ)
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
