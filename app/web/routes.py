"""All pages, in the order in which their routes are asked."""

from fastapi import APIRouter

from app.web import (
    api_document,
    apps,
    assets,
    deployment,
    host,
    hosts,
    login,
    policy,
    rejections,
    upkeep,
    violation_list,
    violations,
)

router = APIRouter(include_in_schema=False)
for part in (
    assets, login, api_document, hosts, host, policy, deployment, violation_list, violations, apps, rejections, upkeep,
):  # fmt: skip
    router.include_router(part.router)
