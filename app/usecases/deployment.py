"""Check a chain before it is deployed."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from app.hpkp.deployment import DeploymentCheck, check_deployment
from app.hpkp.hosts import Host
from app.hpkp.policy import PolicyHistory
from app.hpkp.x509.anchors import KnownCertificates
from app.hpkp.x509.certificate import Chain
from app.store.policies import find_covering
from app.store.read.releases import list_installs, list_releases_pinning


@dataclass(frozen=True, slots=True)
class Deployment:
    """Checks chains against the policies that cover their host."""

    engine: Engine
    known: KnownCertificates

    def check(self, host: Host, chain: Chain, *, at: datetime) -> tuple[str | None, DeploymentCheck] | None:
        """Check a chain about to be deployed by the policy that covers its host and by releases of apps that pin it.

        Returns the host of that policy with the answer; None if neither is there.
        """
        with self.engine.connect() as connection:
            covering = find_covering(connection, host)
            releases = list_releases_pinning(connection, host)
            installs = list_installs(connection, (release.app for release in releases))
        if covering is None and not releases:
            return None
        name, history = covering or (None, PolicyHistory(()))
        return name, check_deployment(
            chain, history, self.known, host=host, at=at, releases=releases, installs=installs
        )
