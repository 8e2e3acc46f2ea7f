"""Check a chain before it is deployed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.deployment import DeploymentCheck, check_deployment
from app.hpkp.hosts import Host
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Chain
from app.store.policies import find_covering


@dataclass(frozen=True, slots=True)
class Deployment:
    """Checks chains against the policies that cover their host."""

    engine: Engine
    known: KnownCertificates

    def check(self, host: Host, chain: Chain, *, at: datetime) -> tuple[str, DeploymentCheck] | None:
        """Check a chain about to be deployed; with the host whose policy covers it, None if none does."""
        with self.engine.connect() as connection:
            covering = find_covering(connection, host)
        if covering is None:
            return None
        name, history = covering
        return name, check_deployment(chain, history, self.known, host=host, at=at)
