"""A header in the configuration of every server that is known here."""

from dataclasses import dataclass

from app.hpkp.errors import InvalidHeader
from app.hpkp.header.control_lines import ConfigurationPart, split_configuration
from app.hpkp.header.server_lines import PLACE, Server, caution, for_server, server_line
from app.hpkp.header.value import PinningHeader
from app.hpkp.policy import Mode
from app.usecases.control import ControlState

CONTROL_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class ServerLine:
    """The line, where it belongs, and what else has to be minded."""

    server: Server
    line: str
    place: str
    caution: str | None


def write_lines(header: PinningHeader, *, report_only: bool) -> list[ServerLine]:
    """Write a header for each server, as it goes over the wire first; nothing where no field can carry it."""
    servers = (Server.TEXT, *(server for server in Server if server is not Server.TEXT))
    try:
        fit = [(server, for_server(header, server)) for server in servers]
    except InvalidHeader:
        return []
    return [
        ServerLine(
            server,
            server_line(written, server, report_only=report_only),
            PLACE[server],
            caution(written, server, report_only=report_only),
        )
        for server, written in fit
    ]


def write_shares(state: ControlState) -> list[tuple[Server, tuple[ConfigurationPart, ...]]]:
    """Write the configuration for a control share, for each server that can choose one."""
    header, usual = state.header, PinningHeader.of_policy(state.policy)
    written = []
    for server in Server:
        try:
            if header is not None:
                enforced = state.policy.mode is Mode.ENFORCE
                parts = split_configuration(header, usual, server, percent=CONTROL_PERCENT, enforced=enforced)
                written.append((server, parts))
        except InvalidHeader:
            continue
    return written
