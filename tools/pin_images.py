"""Writes the digest of each image behind its version, in compose.yaml and in the Dockerfile.

Run ``make pin-images`` where a registry can be reached, and commit the change once the images were tried. Docker runs
an image with a digest only if the registry gives exactly that one. A later run replaces the digests that are there by
those of the present images.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "compose.yaml", ROOT / "Dockerfile")
_IMAGE = re.compile(r"^(?P<before>\s*image: |FROM )(?P<name>[\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?", re.MULTILINE)
"""A name without a version is not an image of a registry: it is built here."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pin(text: str, find_digest: Callable[[str], str]) -> str:
    """Return the text of a file with a digest behind each image."""
    return _IMAGE.sub(lambda found: f"{found['before']}{found['name']}@{find_digest(found['name'])}", text)


def ask_registry(image: str) -> str:
    """Return the digest of an image for all platforms, as Docker learns it from the registry. Raises SystemExit."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    asked = subprocess.run(command, capture_output=True, text=True)
    digest = asked.stdout.strip()
    if asked.returncode or not _DIGEST.fullmatch(digest):
        raise SystemExit(f"No digest of {image}: {asked.stderr.strip() or digest}")
    return digest


def main(*files: Path) -> None:
    """Pin the images of files, all of them or none."""
    known: dict[str, str] = {}

    def find_digest(image: str) -> str:
        if image not in known:
            known[image] = ask_registry(image)
        return known[image]

    pinned = {file: pin(file.read_text(encoding="utf-8"), find_digest) for file in files or FILES}
    for file, text in pinned.items():
        file.write_text(text, encoding="utf-8")
    for image, digest in known.items():
        print(f"{image} {digest}")  # noqa: T201


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
