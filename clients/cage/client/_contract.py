"""Look up every rpc of the contract by its request.

Each rpc has a request message of its own, so the request alone says where it
goes: nothing here is a list kept by hand, the descriptors are the list.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from cage.admin.v1 import admin_service_pb2
from cage.cashier.v1 import cashier_service_pb2
from cage.event.v1 import event_service_pb2
from cage.player.v1 import (
    kyc_service_pb2,
    player_service_pb2,
    responsible_gaming_service_pb2,
    session_service_pb2,
)
from cage.wallet.v1 import wallet_service_pb2

_FILES = (
    wallet_service_pb2.DESCRIPTOR,
    player_service_pb2.DESCRIPTOR,
    session_service_pb2.DESCRIPTOR,
    kyc_service_pb2.DESCRIPTOR,
    responsible_gaming_service_pb2.DESCRIPTOR,
    cashier_service_pb2.DESCRIPTOR,
    admin_service_pb2.DESCRIPTOR,
    event_service_pb2.DESCRIPTOR,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """Describe one rpc: where it is served, what it takes and answers."""

    # Name of the rpc: "Bet".
    name: str
    # Full name of its service: "cage.wallet.v1.WalletService".
    service: str
    # Class of its request.
    request: type[Message]
    # Class of its reply.
    reply: type[Message]
    # True for a bidirectional stream.
    is_stream: bool
    # True for a feed: one request, and replies as they come.
    is_feed: bool

    @property
    def is_unary(self) -> bool:
        """Say whether it is one request and one reply."""
        return not (self.is_stream or self.is_feed)

    @property
    def path(self) -> str:
        """Name the rpc as HTTP/2 does: "/cage.wallet.v1.WalletService/Bet"."""
        return f"/{self.service}/{self.name}"


def _read() -> Iterator[Method]:
    for file in _FILES:
        for service in file.services_by_name.values():
            for rpc in service.methods:
                yield _method(service.full_name, rpc)


def _method(service: str, rpc: MethodDescriptor) -> Method:
    return Method(
        name=rpc.name,
        service=service,
        request=GetMessageClass(rpc.input_type),
        reply=GetMessageClass(rpc.output_type),
        is_stream=bool(rpc.client_streaming),
        is_feed=bool(rpc.server_streaming and not rpc.client_streaming),
    )


_BY_REQUEST = {method.request: method for method in _read()}
STREAM_EXECUTE = _BY_REQUEST[wallet_service_pb2.StreamExecuteRequest]


def methods() -> tuple[Method, ...]:
    """Return every rpc of the contract, in the order of the proto files."""
    return tuple(_BY_REQUEST.values())


def method_of(request: Message) -> Method:
    """Return the rpc that a request belongs to; raise KeyError for another message."""
    return _BY_REQUEST[type(request)]


def operation_of(request: Message) -> wallet_service_pb2.Operation:
    """Wrap a request for a stream or a batch; raise ValueError if it cannot be one."""
    for field in wallet_service_pb2.Operation.DESCRIPTOR.fields:
        if field.message_type is request.DESCRIPTOR:
            operation = wallet_service_pb2.Operation()
            getattr(operation, field.name).CopyFrom(request)
            return operation
    raise ValueError(f"{request.DESCRIPTOR.name} is no operation of a stream or batch")
