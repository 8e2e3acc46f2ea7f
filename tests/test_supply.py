"""What the project is installed from: locked wheels for every Python that README names, and their list for others."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PLATFORMS = ("manylinux_.*_x86_64", "manylinux_.*_aarch64", "macosx_.*_(arm64|universal2)")


def _named_pythons() -> range:
    """Return the minor versions of Python 3 that README names."""
    named = re.search(r"Python 3\.(\d+) to 3\.(\d+)", (ROOT / "README.md").read_text())
    assert named is not None
    return range(int(named[1]), int(named[2]) + 1)


def _runtime_packages() -> list[dict[str, Any]]:
    """Return the locked packages that an installation without the development tools has."""
    locked: dict[str, list[dict[str, Any]]] = {}
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        locked.setdefault(package["name"], []).append(package)
    waiting, found = ["hpkp-collector"], dict[str, list[dict[str, Any]]]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = locked[name]
            for package in locked[name]:
                extras = package.get("optional-dependencies", {}).values()
                wanted = [*package.get("dependencies", ()), *(entry for extra in extras for entry in extra)]
                waiting += [entry["name"] for entry in wanted]
    del found["hpkp-collector"]
    return [package for packages in found.values() for package in packages]


def _fits(wheel: str, minor: int, platform: str) -> bool:
    """Whether a wheel's tags (PEP 425) fit CPython 3.minor on a platform."""
    python, abi, built_for = wheel.removesuffix(".whl").split("-")[-3:]
    if abi == "none" and "py3" in python.split("."):
        return built_for == "any" or re.search(platform, built_for) is not None
    least = re.fullmatch(r"cp3(\d+)", python)
    if least is None or re.search(platform, built_for) is None:
        return False
    return abi == f"cp3{minor}" or (abi == "abi3" and int(least[1]) <= minor)


@pytest.mark.parametrize("minor", _named_pythons())
def test_every_locked_dependency_has_a_wheel_for_the_named_pythons(minor: int) -> None:
    packages = _runtime_packages()
    assert {"sqlalchemy", "cryptography", "pydantic-core"} <= {package["name"] for package in packages}
    for package in packages:
        wheels = [wheel["url"].rsplit("/", 1)[-1] for wheel in package.get("wheels", ())]
        for platform in PLATFORMS:
            assert any(_fits(wheel, minor, platform) for wheel in wheels), f"{package['name']} on {platform}"


def test_a_missing_wheel_would_be_found() -> None:
    for wheel in ("one-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", "one-1.0-cp315-abi3-manylinux_2_17_x86_64.whl"):
        assert not _fits(wheel, 14, PLATFORMS[0])
    assert _fits("one-1.0-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", 14, PLATFORMS[0])
    assert not _fits("one-1.0-cp311-abi3-manylinux_2_17_aarch64.whl", 14, PLATFORMS[0])


def test_the_named_pythons_begin_with_what_the_package_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">=3.{_named_pythons().start}"


def test_make_sbom_lists_every_locked_runtime_package_in_cyclonedx(tmp_path: Path) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "this test runs uv; `uv run` names it, else it has to be on PATH"
    target = tmp_path / "sbom.json"
    ran = subprocess.run(
        ["make", "--no-print-directory", "sbom", f"UV={uv}", f"SBOM={target}"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    bom = json.loads(target.read_text())
    assert (bom["bomFormat"], bom["specVersion"], bom["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bom["serialNumber"])
    assert bom["metadata"]["component"]["name"] == "hpkp-collector"
    found = {(component["name"], component["version"]) for component in bom["components"]}
    assert found == {(package["name"], package["version"]) for package in _runtime_packages()}
    assert not {"pytest", "mypy", "schemathesis"} & {name for name, _ in found}
    for component in bom["components"]:
        assert component["type"] == "library"
        assert component["purl"].startswith(f"pkg:pypi/{component['name']}@{component['version']}")
    refs = [component["bom-ref"] for component in [*bom["components"], bom["metadata"]["component"]]]
    assert len(set(refs)) == len(refs)
    listed = {entry["ref"] for entry in bom["dependencies"]}
    assert listed | {ref for entry in bom["dependencies"] for ref in entry.get("dependsOn", ())} <= set(refs)
    assert listed == set(refs), "what each one needs is said"
