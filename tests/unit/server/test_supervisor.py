"""Test how a supervisor takes the address of its workers."""

import socket

import pytest

from cage.server.listen import ListenError
from cage.server.supervisor import reserve_address


@pytest.mark.parametrize(
    ("listen", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")]
)
def test_port_0_is_one_port_for_all(listen: str, host: str) -> None:
    """The port that was drawn is told, and several workers may listen there."""
    held, address = reserve_address(listen)
    port = held.getsockname()[1]
    with held:
        workers = [socket.socket(held.family, held.type) for _ in range(2)]
        for worker in workers:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(held.getsockname())
            worker.listen()
        for worker in workers:
            worker.close()

    assert address == f"{host}:{port}"


def test_address_of_others_is_refused() -> None:
    """An address that others listen on is refused, also when they would share it."""
    for is_shared in (0, 1):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}"):
                reserve_address(f"127.0.0.1:{port}")
