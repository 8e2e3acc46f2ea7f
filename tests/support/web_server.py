"""The application behind a real socket in this process, so that a test can set its clock."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from tests.support.admin import add_admin_token

_PATIENCE = 180.0


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port of loopback, with an API token of scope admin; give the URL."""
    config = uvicorn.Config(
        app,
        port=0,
        log_config=None,
        lifespan="on",
        forwarded_allow_ips="127.0.0.1",
        loop="asyncio",  # resolves names by the socket module, where a test can lead them elsewhere
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + _PATIENCE
        while not server.started:
            assert thread.is_alive(), "the application did not start"
            assert time.monotonic() < deadline, "the application did not start in time"
            time.sleep(0.01)
        add_admin_token(app.state.service.engine)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
