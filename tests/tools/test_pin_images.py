"""The images that compose.yaml and the Dockerfile name get their digests, from what stands in for a registry."""

import hashlib
import re
from pathlib import Path

import pytest

from tools.pin_images import FILES, main

DOCKER = """#!/bin/sh
[ "$1 $2 $3 $5 $6" = "buildx imagetools inspect --format {{.Manifest.Digest}}" ] || exit 9
echo "$4" >> "$ASKED"
case "$4" in *unknown*) echo "not found" >&2; exit 1;; esac
printf 'sha256:%s\\n' "$(printf '%s' "$4$AGE" | sha256sum | cut -d' ' -f1)"
"""


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return copies of the files, with a `docker` on the path that answers by the image's name."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent), prepend=":")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    made = [tmp_path / file.name for file in FILES]
    for file, copy in zip(FILES, made, strict=True):
        copy.write_text(file.read_text())
    return made


def _named(files: list[Path]) -> list[tuple[str, str]]:
    """Return the image and what follows it in each line that names one."""
    lines = "\n".join(file.read_text() for file in files)
    return re.findall(r"^(?:\s*image: |FROM )([\w./-]+(?::[\w.-]+)?)(.*)$", lines, re.MULTILINE)


def test_every_image_of_a_registry_gets_its_digest(copies: list[Path], tmp_path: Path) -> None:
    before = [file.read_text() for file in copies]
    main(*copies)
    pinned = _named(copies)
    assert len(pinned) == len(_named(list(FILES))) > 5
    for image, rest in pinned:
        digest = hashlib.sha256(image.encode()).hexdigest()
        assert rest.startswith("" if image == "hpkp-collector" else f"@sha256:{digest}"), image
        assert ("sha256" in rest) is (image != "hpkp-collector")
    asked = (tmp_path / "asked").read_text().split()
    assert sorted(asked) == sorted({image for image, rest in pinned if "sha256" in rest}), "each once"
    without = [re.sub(r"@sha256:[0-9a-f]{64}", "", file.read_text()) for file in copies]
    assert without == [re.sub(r"@sha256:[0-9a-f]{64}", "", text) for text in before], "nothing else is changed"


def test_newer_digests_take_the_place_of_older_ones(copies: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    main(*copies)
    first = [file.read_text() for file in copies]
    main(*copies)
    assert [file.read_text() for file in copies] == first
    monkeypatch.setenv("AGE", "newer")
    main(*copies)
    second = "".join(file.read_text() for file in copies)
    assert second.count("@sha256:") == "".join(first).count("@sha256:")
    digest = hashlib.sha256(b"haproxy:3.0newer").hexdigest()
    assert f"image: haproxy:3.0@sha256:{digest}\n" in second


def test_an_image_without_a_digest_leaves_both_files_as_they_are(copies: list[Path]) -> None:
    copies[0].write_text(copies[0].read_text().replace("prom/prometheus", "prom/unknown"))
    before = [file.read_text() for file in copies]
    with pytest.raises(SystemExit, match=r"No digest of prom/unknown:v[\d.]+: not found"):
        main(*copies)
    assert [file.read_text() for file in copies] == before
