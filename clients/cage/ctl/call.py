"""Call any unary rpc from JSON."""

import typer
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message

from cage.client import Client, Method, methods


def find_method(name: str) -> Method:
    """Find a unary rpc by SERVICE/METHOD; end the command when there is none.

    SERVICE is the full name ("cage.wallet.v1.WalletService") or its last part.
    """
    service, slash, rpc = name.strip("/").partition("/")
    for method in methods():
        services = (method.service, method.service.rpartition(".")[2])
        if slash and rpc == method.name and service in services:
            if not method.is_unary:
                raise typer.BadParameter(f"{name} is a stream, not a unary rpc")
            return method
    known = "\n  ".join(
        f"{method.service.rpartition('.')[2]}/{method.name}"
        for method in methods()
        if method.is_unary
    )
    raise typer.BadParameter(f"no rpc {name!r}; there are:\n  {known}")


def parse_request(method: Method, text: str) -> Message:
    """Read the request of an rpc from JSON; end the command when it does not fit."""
    try:
        request: Message = Parse(text, method.request())
    except ParseError as error:
        raise typer.BadParameter(f"not a {method.request.__name__}: {error}") from error
    return request


async def call(client: Client, request: Message) -> str:
    """Send a request and return its reply as JSON, with the names of the contract."""
    reply = await client.call(request)
    return MessageToJson(reply, preserving_proto_field_name=True)
