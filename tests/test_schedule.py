"""What the running service does by itself: it looks at the hosts with a policy, and no others."""

import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.authority import make_site
from tests.support.server import running_service
from tests.support.tls_server import tls_server

_PATIENCE = 180.0


def _loopback() -> list[str]:
    """Return the addresses of localhost on this machine."""
    return list(
        dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM))
    )


def test_the_service_looks_at_a_host_without_being_asked(tmp_path: Path) -> None:
    today = datetime.now(UTC)
    site = make_site("localhost", not_before=today - timedelta(days=1), not_after=today + timedelta(days=89))
    with tls_server(site.leaf, site.intermediate) as server:
        settings = {
            "HPKP_PROBE_PORT": str(server.port),
            "HPKP_PROBE_INTERVAL_HOURS": "1",
            "HPKP_PROBE_PRIVATE_ADDRESSES": "true",
        }
        policy = {"pins": [{"sha256": site.leaf.pin}, {"sha256": site.root.pin}]}
        url = "/api/v1/hosts/localhost"
        with running_service(tmp_path) as service:
            service.client.put(f"{url}/policy", json=policy).raise_for_status()
        with running_service(tmp_path, **settings) as service:
            deadline = time.monotonic() + _PATIENCE
            while (answer := service.client.get(f"{url}/probe")).status_code == 404:
                assert time.monotonic() < deadline, "the service did not look at the host"
            seen = {endpoint["address"]: endpoint for endpoint in answer.json()["endpoints"]}
            assert seen.keys() == set(_loopback())
            assert [element["pin"] for element in seen["127.0.0.1"]["chains"][0]] == [
                site.leaf.pin,
                site.intermediate.pin,
            ]
            assert 'hpkp_probes_total{reached="yes"} 1.0' in service.client.get("/metrics").text
            service.stop()
