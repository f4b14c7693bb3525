"""Serves the stub until the process is ended: `python -m harness.machine.services.llm_stub --port 9000`."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from harness.machine.services.llm_stub.connection import Connection
from harness.machine.services.llm_stub.desk import Desk
from harness.machine.services.llm_stub.model import Behaviour, Model

KEY = "WEBDYNO_LLM_KEY"


async def serve(desk: Desk, host: str, port: int, uid: int | None) -> None:
    """Listen; once that is done, give up root for a uid."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(desk), host, port, backlog=4096)
    if uid is not None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    await server.serve_forever()


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Return what runs a coroutine: uvloop's where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


def main() -> None:
    """Read the arguments and serve; the key comes from the environment, which is not for all to read."""
    default = Behaviour()
    parser = argparse.ArgumentParser(prog="python -m harness.machine.services.llm_stub", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="another one only inside a container")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--median-ms", type=float, default=default.median_ms)
    parser.add_argument("--p99-ms", type=float, default=default.p99_ms)
    parser.add_argument("--median-tokens", type=float, default=default.median_tokens)
    parser.add_argument("--p99-tokens", type=float, default=default.p99_tokens)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--uid", type=int, help="the user that it becomes")
    given = parser.parse_args()
    try:
        behaviour = Behaviour(
            given.median_ms, given.p99_ms, given.median_tokens, given.p99_tokens, given.seed
        )
    except ValueError as error:
        parser.error(str(error))
    _runner()(serve(Desk(Model(behaviour), os.environ.get(KEY) or None), given.host, given.port, given.uid))


if __name__ == "__main__":
    main()
