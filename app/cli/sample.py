"""``hpkp send-sample``: post a synthetic report, framed as a real sender frames it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import NO, JsonOption, fail, out, print_json
from app.clock import now
from app.demo import FORMS, Sample, SampleKind, is_sent_by, make_site
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.hpkp.report import Sender

if TYPE_CHECKING:
    import httpx


class ImitatedSender(StrEnum):
    """The senders that can be imitated."""

    CHROMIUM = Sender.CHROMIUM
    TRUSTKIT_APPLE = Sender.TRUSTKIT_APPLE
    TRUSTKIT_ANDROID = Sender.TRUSTKIT_ANDROID
    PROTON_BRIDGE = Sender.PROTON_BRIDGE
    PROTON_VPN = Sender.PROTON_VPN
    REACT_NATIVE = Sender.REACT_NATIVE
    GO_HPKP = Sender.GO_HPKP
    REPORTING_API = Sender.REPORTING_API


def send_sample(
    url: Annotated[str, typer.Argument(help="Where to send it: the report-uri.")] = "http://127.0.0.1:8000/report",
    host: Annotated[str, typer.Option(help="The host that the report is about.")] = "sample.example.com",
    scenario: Annotated[
        SampleKind, typer.Option(help="What the report shows when its pins are the expected ones.")
    ] = SampleKind.OTHER_TRUST_PATH,
    sender: Annotated[
        ImitatedSender, typer.Option("--as", help="The sender whose form, headers and framing it has.")
    ] = ImitatedSender.CHROMIUM,
    print_only: Annotated[bool, typer.Option("--print", help="Print the report instead of sending it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Send a synthetic report to a report-uri.

    It has a freshly made chain, and the form of a real sender.

    It is stored and counted like any other report, under the host given. What a sender leaves out, its sample
    leaves out too. Exit code 0: accepted. 1: rejected. 2: no answer, or an
    error.
    """
    import httpx

    at = now()
    try:
        site = make_site(canonical_host(host), at=at)
    except HpkpError as error:
        fail(str(error))
    if not is_sent_by(Sender(sender), scenario):
        fail(f"{sender} never reports {scenario}. Choose an app: --as {ImitatedSender.TRUSTKIT_ANDROID}")
    sample = FORMS[Sender(sender)].sample(site.incident(scenario, at=at))
    if print_only:
        typer.echo(sample.body)
        return
    try:
        answer = _post(url, sample)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{url} did not answer: {error}. Is the service running (`hpkp serve`)?")
    pins = " ".join(f"--pin {pin}" for pin in site.pins)
    if as_json:
        print_json(
            {
                "url": url,
                "host": site.host,
                "sender": sender,
                "scenario": scenario,
                "status": answer.status_code,
                "pins": site.pins,
            }
        )
    elif answer.is_success:
        told = f"{answer.status_code}: {url} took a report of {sender} for {site.host} that shows {scenario}"
        out.print(told, markup=False)
        out.print(f"Its pins become the expected ones with:\n  hpkp policy set {site.host} {pins}", markup=False)
    if not answer.is_success:
        fail(f"{url} answered {answer.status_code}: {answer.text[:500]}", NO)


def _post(url: str, sample: Sample) -> httpx.Response:
    """Send a sample with its own headers and no others, in chunks where its sender does so."""
    import httpx

    content = iter((sample.body,)) if sample.chunked else sample.body
    with httpx.Client(timeout=30) as client:
        return client.send(httpx.Request("POST", url, headers=dict(sample.headers), content=content))
