"""A header in the configuration of every server that is known here."""

from dataclasses import dataclass

from app.hpkp.errors import InvalidHeader
from app.hpkp.header.server_lines import PLACE, Server, caution, for_server, server_line
from app.hpkp.header.value import PinningHeader


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
