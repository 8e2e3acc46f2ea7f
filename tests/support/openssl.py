"""The openssl command, as the judge of our pins."""

import base64
import hashlib
import subprocess
from pathlib import Path

from tests.support.debian import debian_program


def openssl_command() -> str:
    """Return a path of the openssl command; `run_openssl` brings the libraries that one of ours may need."""
    return str(debian_program("openssl", package="openssl").path)


def run_openssl(*arguments: str, stdin: bytes = b"", directory: Path | None = None, configuration: str = "") -> bytes:
    """Run openssl and return what it wrote; fail with what it said."""
    environment = {**debian_program("openssl", package="openssl").environment}
    if configuration:
        environment["OPENSSL_CONF"] = configuration
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
