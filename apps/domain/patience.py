"""How long a request waits for a service before it answers 503."""

from __future__ import annotations

PATIENCE_S = 8.0
"""For a service that took the connection and says nothing. Requests that wait for their turn on a connection
wait within it too, hence more than a loaded machine needs."""
POOL_PATIENCE_S = 1.5
"""For a connection from a pool with as many as there are threads: none is free where none can be made."""
CONNECT_PATIENCE_S = 5
"""For a new connection to the database."""
