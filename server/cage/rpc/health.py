"""Answer the standard health service, for each service and for the whole server."""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

# The name under which probes ask for the server as a whole.
_WHOLE = ""


class Health:
    """Hold what probes hear."""

    def __init__(self, services: Sequence[str]) -> None:
        self._names = [*services, _WHOLE]
        self._servicer: Any = HealthServicer()

    def register(self, server: grpc.aio.Server) -> None:
        """Serve ``grpc.health.v1.Health``."""
        add: Any = health_pb2_grpc.add_HealthServicer_to_server
        add(self._servicer, server)

    async def set_serving(self, *, is_serving: bool = True) -> None:
        """Say that every service answers, or that none does for a while."""
        status = health_pb2.HealthCheckResponse.SERVING
        if not is_serving:
            status = health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            await self._servicer.set(name, status)

    async def set_draining(self) -> None:
        """Say that no service takes new calls, and never the contrary again."""
        await self._servicer.enter_graceful_shutdown()
