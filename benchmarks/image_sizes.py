"""The variants' images on the slim and on the full base image of Python: how much smaller slim is.

    .venv/bin/python benchmarks/image_sizes.py --out benchmarks/results/image-sizes.json

The article says 70 % smaller. Builds every base variant twice by `apps/Dockerfile`; needs an engine and the
image `python:3.13-slim-bookworm`. Where `python:3.13-bookworm` can't be pulled, its like is made by
`images/full.Dockerfile`, and the result says so. Takes some minutes the first time; `webdyno clean` removes
what was built. Sizes are the engine's: all layers, unpacked.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLIM, FULL = "python:3.13-slim-bookworm", "python:3.13-bookworm"
STAND_IN = "webdyno/python-full"
VARIANTS = ("fastapi-uvicorn", "flask-gunicorn", "django-gunicorn")


def docker(*words: str) -> str:
    """Return what the engine's client prints; ends with its complaint where it can't be done."""
    ended = subprocess.run(("docker", *words), check=False, cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"docker {words[0]}: {ended.stderr.strip() or ended.stdout.strip()[-400:]}")
    return ended.stdout.strip()


def full_base() -> str:
    """Return the full image of Python: pulled, else one of the same packages, made here."""
    pulled = subprocess.run(("docker", "pull", "-q", FULL), check=False, capture_output=True)
    if pulled.returncode == 0:
        return FULL
    recipe = "benchmarks/images/full.Dockerfile"
    docker("build", "-q", "--network", "host", "-f", recipe, "-t", STAND_IN, "benchmarks/images")
    return STAND_IN


def size_of(image: str) -> int:
    """Return an image's size in bytes."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def built(variant: str, base: str) -> int:
    """Build a variant on a base image; return its size in bytes."""
    tag = f"webdyno/size:{variant}-{'slim' if base == SLIM else 'full'}"
    arguments = ("--build-arg", f"VARIANT={variant}", "--build-arg", f"PYTHON_IMAGE={base}")
    docker("build", "-q", "--network", "host", *arguments, "-f", "apps/Dockerfile", "-t", tag, ".")
    return size_of(tag)


def main() -> None:
    """Build, weigh, write and show."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    full = full_base()
    sizes = {"python": (size_of(SLIM), size_of(full))}
    sizes |= {variant: (built(variant, SLIM), built(variant, full)) for variant in VARIANTS}
    slim, large = sizes["fastapi-uvicorn"]
    exact = round(100 * (1 - slim / large), 1)
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "slim": SLIM,
        "full": full if full == FULL else f"{full}: made here by benchmarks/images/full.Dockerfile",
        "fastapi_smaller_percent": {"value": exact, "low": exact, "high": exact},  # a size has no spread
        "rows": [
            {
                "image": image,
                "slim_bytes": slim,
                "full_bytes": large,
                "smaller_percent": round(100 * (1 - slim / large), 1),
            }
            for image, (slim, large) in sizes.items()
        ],
    }
    text = json.dumps(document, indent=1) + "\n"
    out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
