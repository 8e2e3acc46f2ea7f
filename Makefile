# Thin names for uv commands; nothing is done here that cannot be typed.
.PHONY: dev run test lint format types dashboards golden check image bench bench-quick screenshots

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

golden:
	uv run pytest tests/golden

check:
	.ci/run

image:
	docker build -t hpkp-collector .

bench:
	uv run python -m bench --document docs/performance.md

bench-quick:
	uv run python -m bench --size quick

screenshots:
	uv run python -m tests.web.screenshots
