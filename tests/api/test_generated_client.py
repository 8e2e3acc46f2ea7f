"""A client is generated from the OpenAPI document without a warning, and every call of it runs against a service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api.generated_client import (
    TAGS,
    Caller,
    call_every_operation,
    client_of,
    generate_client,
    make_token,
)
from tests.support.server import running_service
from tools.write_openapi import TARGET, render


@pytest.fixture(scope="module")
def _package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generate the package, so that it can be imported."""
    folder = tmp_path_factory.mktemp("client")
    assert generate_client(folder) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield


def test_the_committed_document_is_the_one_that_is_served() -> None:
    assert TARGET.read_text(encoding="utf-8") == render(), "run `make openapi`, and look at what changed"


@pytest.mark.usefixtures("_package")
def test_every_operation_can_be_called_with_a_generated_client(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        with client_of(service, make_token(tmp_path)) as client:
            call = Caller(client)
            call_every_operation(call)
        with client_of(service, "hpkp_unknown") as stranger:
            assert Caller(stranger)("list_hosts", status=401, model="Problem").status == 401
    assert call.answers.keys() == TAGS.keys()
