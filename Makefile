# Thin names for uv commands; nothing is done here that cannot be typed.
UV ?= uv
SBOM ?= sbom.cdx.json

.PHONY: dev run test lint format types dashboards boards golden openapi openapi-examples check image pin-images sbom bench bench-quick bench-boards screenshots

dev:
	uv sync

run:
	uv run --no-dev hpkp serve

test:
	uv run pytest

lint:
	uv run ruff check
	uv run ruff format --check

format:
	uv run ruff check --fix
	uv run ruff format

types:
	uv run mypy

dashboards:
	uv run python -m dashboards

openapi:
	uv run python -m tools.write_openapi

# Every board over every store, range, width and theme, as pictures below build/boards.
boards:
	uv run python -m tests.support.dashboards.drawn.pictures

openapi-examples:
	uv run python -m tests.support.api.make_api_examples
	uv run python -m tools.write_openapi

golden:
	uv run pytest tests/golden

check:
	.ci/run

image:
	docker build -t hpkp-collector .

pin-images:
	uv run python -m tools.pin_images

sbom:
	$(UV) export --quiet --frozen --no-dev --preview-features sbom-export --format cyclonedx1.5 --output-file $(SBOM)

bench:
	uv run python -m bench --document docs/performance.md

# CPU time of every panel's query over a store of a million reports, in both databases.
bench-boards:
	uv run python -m bench.boards

bench-quick:
	uv run python -m bench --size quick

screenshots:
	uv run python -m tests.support.web.screenshots
