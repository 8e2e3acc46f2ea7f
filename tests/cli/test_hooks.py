"""The hooks in examples/: a certificate that the pins do not allow is never deployed, and the server not reloaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.authority import Issued, make_root, make_site

HOST = "www.example.com"
HOOKS = Path(__file__).parents[2] / "examples" / "hooks"
HPKP = f"{sys.executable} -m app.cli"
SITE = make_site(HOST)
BACKUP = make_root("Backup").pin


class Machine:
    """A machine with certbot's and HAProxy's files."""

    def __init__(self, folder: Path) -> None:
        self.lineage = folder / "live" / HOST
        self.certificates = folder / "certificates"
        self.deployed = self.certificates / f"{HOST}.pem"
        self.reloaded = folder / "reloaded"
        self.environment = os.environ | {
            "HPKP": HPKP,
            "HPKP_DATABASE_URL": f"sqlite:///{folder}/hpkp.sqlite3",
            "CERTIFICATES": str(self.certificates),
            "RELOAD": f"touch {self.reloaded}",
            "RENEWED_LINEAGE": str(self.lineage),
        }
        self.lineage.mkdir(parents=True)
        self.certificates.mkdir()

    def renew(self, leaf: Issued) -> str:
        """Write what certbot writes; return what HAProxy is to have of it."""
        key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = leaf.pem + SITE.intermediate.pem
        (self.lineage / "fullchain.pem").write_text(chain)
        (self.lineage / "privkey.pem").write_text(key)
        return chain + key

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on it."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine whose host has a policy."""
    made = Machine(tmp_path)
    pins = ("--pin", SITE.leaf.pin, "--pin", BACKUP)
    assert made.run(*HPKP.split(), "policy", "set", HOST, *pins).returncode == 0
    return made


def test_a_renewal_with_the_pinned_key_is_deployed(machine: Machine) -> None:
    wanted = machine.renew(SITE.intermediate.issue(HOST, key=SITE.leaf.key))
    done = machine.run(str(HOOKS / "certbot-deploy-hook.sh"))
    assert done.returncode == 0, done.stderr
    assert machine.deployed.read_text() == wanted
    assert machine.deployed.stat().st_mode & 0o077 == 0
    assert machine.reloaded.exists()


def test_a_renewal_with_another_key_leaves_the_old_certificate(machine: Machine) -> None:
    old = machine.renew(SITE.leaf)
    machine.deployed.write_text(old)
    machine.renew(SITE.intermediate.issue(HOST))
    done = machine.run(str(HOOKS / "certbot-deploy-hook.sh"))
    assert done.returncode == 1
    assert "not deployed" in done.stderr
    assert machine.deployed.read_text() == old
    assert not machine.reloaded.exists()


def test_a_reload_is_held_back_by_one_certificate_that_does_not_pass(machine: Machine) -> None:
    machine.deployed.write_text(machine.renew(SITE.leaf))
    assert machine.run(str(HOOKS / "reload-haproxy.sh")).returncode == 0
    machine.reloaded.unlink()
    machine.deployed.write_text(machine.renew(make_site(HOST).leaf))
    done = machine.run(str(HOOKS / "reload-haproxy.sh"))
    assert done.returncode == 1
    assert f"{HOST}: not reloaded" in done.stderr
    assert not machine.reloaded.exists()
