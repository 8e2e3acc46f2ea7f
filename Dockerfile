# Build: the locked dependencies and the package, without the development tools, in an environment of their own.
FROM python:3.11-slim AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/hpkp \
    UV_PYTHON_DOWNLOADS=never
RUN python -m pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --no-cache --locked --no-dev --no-install-project
COPY app app
RUN uv sync --no-cache --locked --no-dev --no-editable

# Run: nothing but Python and that environment; the store is all that is written.
FROM python:3.11-slim
LABEL org.opencontainers.image.title="HPKP violation report collector" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/hpkp /opt/hpkp
RUN install -d -o 10001 -g 10001 /data
ENV PATH=/opt/hpkp/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HPKP_DATABASE_URL=sqlite:////data/hpkp.sqlite3
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
# The port is a setting, HPKP_PORT, so that this asks where the service is.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"HPKP_PORT\", \"8000\")}/livez', timeout=4)"]
ENTRYPOINT ["hpkp"]
# Inside a container the address cannot be loopback, and there is no API token yet: serve reports and health alone.
# With a token in the store, run `serve --host 0.0.0.0` instead (docs/operating.md, "In a container").
CMD ["serve", "--host", "0.0.0.0", "--intake-only"]
