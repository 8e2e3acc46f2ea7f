"""The openssl command, as the judge of our pins: from PATH, else from the Debian package, else a loud failure."""

import base64
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_CACHE = Path(__file__).parents[1] / ".cache" / "openssl"


@functools.cache
def openssl_command() -> str:
    """Return a path of the openssl command; fetch the Debian package where the machine has none."""
    if found := shutil.which("openssl"):
        return found
    unpacked = _CACHE / "usr" / "bin" / "openssl"
    if not unpacked.exists():
        try:
            _CACHE.mkdir(parents=True, exist_ok=True)
            subprocess.run(["apt-get", "download", "openssl"], cwd=_CACHE, check=True, capture_output=True)
            package = next(_CACHE.glob("openssl_*.deb"))
            subprocess.run(["dpkg", "-x", str(package), str(_CACHE)], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            raise RuntimeError(
                "These tests compare pins with the openssl command, which is neither on PATH nor to be had as a Debian "
                f"package ({error}). Install OpenSSL 3, such as with: apt-get install openssl"
            ) from error
    return str(unpacked)


def run_openssl(*arguments: str, stdin: bytes = b"", directory: Path | None = None, configuration: str = "") -> bytes:
    """Run openssl and return what it wrote; fail with what it said."""
    environment = os.environ | ({"OPENSSL_CONF": configuration} if configuration else {})
    command = [openssl_command(), *arguments]
    done = subprocess.run(command, input=stdin, cwd=directory, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def openssl_pin_of_certificate(der: bytes) -> str:
    """Return the pin that openssl computes for a certificate: the usual pipe, by two processes."""
    public = run_openssl("x509", "-inform", "der", "-noout", "-pubkey", stdin=der)
    spki = run_openssl("pkey", "-pubin", "-outform", "der", stdin=public)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")
