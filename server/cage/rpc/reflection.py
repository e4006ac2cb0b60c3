"""Answer server reflection, v1 and v1alpha, so that tools need no proto files."""

from collections.abc import Sequence
from typing import Any

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer


def register_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serve both versions, which are the same on the wire, over one servicer."""
    names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
    servicer: Any = ReflectionServicer(names)  # type: ignore[no-untyped-call]
    messages: Any = reflection_pb2
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        messages.ServerReflectionRequest.FromString,
        messages.ServerReflectionResponse.SerializeToString,
    )
    for name in ("grpc.reflection.v1.ServerReflection", reflection.SERVICE_NAME):
        methods = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(name, methods),)
        )
