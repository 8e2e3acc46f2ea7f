"""``hpkp send-sample``: post a synthetic report."""

from typing import Annotated

import httpx
import typer

from app.cli.terminal import NO, JsonOption, fail, out, print_json
from app.hpkp.errors import HpkpError
from app.hpkp.hosts import canonical_host
from app.samples import Scenario, make_site
from app.service import now


def send_sample(
    url: Annotated[str, typer.Argument(help="Where to send it: the report-uri.")] = "http://127.0.0.1:8000/report",
    host: Annotated[str, typer.Option(help="The host that the report is about.")] = "sample.example.com",
    scenario: Annotated[
        Scenario, typer.Option(help="What the report shows when its pins are the expected ones.")
    ] = Scenario.OTHER_TRUST_PATH,
    print_only: Annotated[bool, typer.Option("--print", help="Print the report instead of sending it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Post a synthetic report with a freshly made chain, in Chromium's form.

    It is stored and counted like any other report, under the host given. Exit code 1 where it was not taken.
    """
    at = now()
    try:
        site = make_site(canonical_host(host), at=at)
    except HpkpError as error:
        fail(str(error))
    body = site.report(scenario, at=at)
    if print_only:
        typer.echo(body)
        return
    try:
        answer = httpx.post(url, content=body, headers={"content-type": "application/json; charset=utf-8"}, timeout=30)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"{url} did not answer: {error}. Is the service running (`hpkp serve`)?", NO)
    pins = " ".join(f"--pin {pin}" for pin in site.pins)
    if as_json:
        print_json(
            {"url": url, "host": site.host, "scenario": scenario, "status": answer.status_code, "pins": site.pins}
        )
    elif answer.is_success:
        out.print(f"{answer.status_code}: a {scenario} report for {site.host} was taken by {url}", markup=False)
        out.print(f"Its pins become the expected ones with:\n  hpkp policy set {site.host} {pins}", markup=False)
    if not answer.is_success:
        fail(f"{url} answered {answer.status_code}: {answer.text[:500]}", NO)
