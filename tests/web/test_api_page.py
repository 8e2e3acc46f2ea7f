"""The page of the API: all of the OpenAPI document is on it, and it is a page like the others."""

import re
from typing import Any

import pytest

from app.main import create_app
from app.settings import Settings
from app.web.rendering import HEADERS
from tests.support.application import TestClient

DOCUMENT: dict[str, Any] = create_app(Settings(_env_file=None)).openapi()
OPERATIONS = [
    (method.upper(), path, described)
    for path, operations in DOCUMENT["paths"].items()
    for method, described in operations.items()
]


@pytest.fixture
def page(client: TestClient) -> str:
    response = client.get("/docs")
    assert response.status_code == 200
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    return str(response.text)


def _section(page: str, anchor: str) -> str:
    found = re.search(rf'<section class="card api" id="{re.escape(anchor)}">.*?</section>', page, re.DOTALL)
    assert found is not None, anchor
    return found[0]


def test_every_operation_is_shown_with_its_parameters_answers_and_command(page: str) -> None:
    assert len(OPERATIONS) > 30
    for method, path, described in OPERATIONS:
        section = _section(page, described["operationId"])
        assert f"{method} {path}" in section
        for parameter in described.get("parameters", ()):
            assert f"<code>{parameter['name']}</code>" in section
        for status in described["responses"]:
            assert f"<dt>{status}</dt>" in section
        assert ("Authorization: Bearer TOKEN" in section) == bool(described.get("security"))
        for media_type in described.get("requestBody", {}).get("content", ()):
            assert media_type in section


def test_every_schema_is_shown_with_its_members(page: str) -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        section = _section(page, f"schema-{name}")
        for member in schema.get("properties", ()):
            assert f"<code>{member}</code>" in section


def test_every_link_on_the_page_leads_somewhere(page: str, client: TestClient) -> None:
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert len(anchors) == len(re.findall(r'id="', page))
    links = set(re.findall(r'href="([^"]+)"', page))
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    for link in links:
        if link.startswith("/"):
            assert client.get(link).status_code == 200


def test_the_page_has_no_script_and_names_no_other_origin(page: str) -> None:
    assert "<script" not in page
    assert not re.findall(r'(?:src|href|action)="(?:[a-z]+:)?//', page)
