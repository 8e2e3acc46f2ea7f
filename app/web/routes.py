"""All pages, in the order in which their routes are asked."""

from fastapi import APIRouter

from app.web import assets, host, hosts, login, policy, rejections, violations

router = APIRouter(include_in_schema=False)
for part in (assets, login, hosts, host, policy, violations, rejections):
    router.include_router(part.router)
