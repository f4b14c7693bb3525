"""How often a client may ask, where the settings name a limit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from domain.settings import Settings
from fastapi import HTTPException, Request, Response

from fastapi_api.bodies import BoundedRoute


class LimitedRoute(BoundedRoute):
    """A bounded route that counts each client's requests before anything of them is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler; without a limit it is that of any bounded route."""
        handle = super().get_route_handler()
        if Settings.from_environment().rate_limit is None:
            return handle

        async def handle_counted(request: Request) -> Response:
            assert request.client is not None, "every TCP connection has a peer"
            wait_s = await request.state.limiter.count(request.client.host)
            if wait_s is not None:
                raise HTTPException(429, headers={"Retry-After": str(wait_s)})
            return await handle(request)

        return handle_counted
