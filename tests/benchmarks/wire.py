"""Call Bet over HTTP/2 written by hand, cheaply and at intended times.

An ordinary gRPC client in Python costs as much processor time a call as the server,
and its loop rounds times to a millisecond: it can neither offer three times the peak
nor say when a call should have begun. This one knows just enough of HTTP/2 (RFC 9113)
and HPACK (RFC 7541) for unary calls to a gRPC server on loopback.
"""

import random
import select
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Iterator

from bets import Bets

RESET = -1
STATUSES = {
    RESET: "RESET",
    0: "OK",
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 1, 3, 4
WINDOW_MAX = 2**31 - 1
FIRST_DYNAMIC = 62
STATUS_NAME = b"\x0bgrpc-status"
READ_BYTES = 1 << 18
PATH = b"/cage.wallet.v1.WalletService/Bet"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Build one frame."""
    size = len(payload)
    return struct.pack(">BHBBL", size >> 16, size & 0xFFFF, kind, flags, stream) + (
        payload
    )


def header_blocks(key: str, timeout_ms: int) -> tuple[bytes, bytes]:
    """Return the header block of a connection's first call, and of all others.

    The first one puts every field into the dynamic table, the others point there.
    """
    fields = (
        (b":path", PATH),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"grpc-timeout", b"%dm" % timeout_ms),
        (b"authorization", b"Bearer " + key.encode()),
    )
    # Indexed fields of the static table: method POST, scheme http.
    first = later = b"\x83\x86"
    for number, (name, value) in enumerate(fields):
        first += b"\x40" + _text(name) + _text(value)
        later += bytes((0x80 | FIRST_DYNAMIC + len(fields) - 1 - number,))
    return first, later


def _text(text: bytes) -> bytes:
    return bytes((len(text),)) + text


class Connection:
    """Hold one connection: its calls in flight, and bytes that wait to be sent."""

    def __init__(self, address: str, blocks: tuple[bytes, bytes]) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._block, self._later = blocks
        self._next_stream = 1
        self._window = 65_535
        self._streams_max = 100
        self._received = b""
        # Without a table for us, every status comes as plain text.
        settings = struct.pack(
            ">HLHL", HEADER_TABLE_SIZE, 0, INITIAL_WINDOW_SIZE, WINDOW_MAX
        )
        grow = struct.pack(">L", WINDOW_MAX - 65_535)
        self.unsent = bytearray(
            PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grow)
        )
        # Of each call in flight, by stream: when it was meant to begin.
        self.calls: dict[int, float] = {}

    def has_room(self, size: int) -> bool:
        """Say whether the server lets another call of a size begin."""
        return len(self.calls) < self._streams_max and self._window >= size

    def begin(self, message: bytes, intended: float) -> None:
        """Put one call into the bytes to be sent."""
        stream = self._next_stream
        self._next_stream += 2
        self.calls[stream] = intended
        body = struct.pack(">BL", 0, len(message)) + message
        self._window -= len(body)
        self.unsent += frame(HEADERS, END_HEADERS, stream, self._block)
        self.unsent += frame(DATA, END_STREAM, stream, body)
        self._block = self._later

    def send(self) -> None:
        """Send what the socket takes."""
        try:
            count = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        del self.unsent[:count]

    def receive(self) -> Iterator[tuple[float, int]]:
        """Read what has come; yield intended time and status of ended calls."""
        try:
            chunk = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            raise ConnectionError("the server closed the connection")
        data = self._received + chunk
        start, end = 0, len(data)
        while end - start >= 9:
            size = data[start] << 16 | data[start + 1] << 8 | data[start + 2]
            after = start + 9 + size
            if after > end:
                break
            kind, flags = data[start + 3], data[start + 4]
            if kind == HEADERS and flags & END_STREAM:
                stream = int.from_bytes(data[start + 5 : start + 9])
                yield self.calls.pop(stream), _status(data, start + 9, after)
            elif kind == RST_STREAM:
                # After its reply it only says that nobody will read the rest.
                stream = int.from_bytes(data[start + 5 : start + 9])
                if stream in self.calls:
                    yield self.calls.pop(stream), RESET
            elif kind not in (HEADERS, DATA):
                self._control(kind, flags, data[start + 5 : after])
            start = after
        self._received = data[start:]

    def _control(self, kind: int, flags: int, stream_and_payload: bytes) -> None:
        """Obey a frame that is no part of a reply."""
        stream, payload = stream_and_payload[:4], stream_and_payload[4:]
        if kind == WINDOW_UPDATE:
            if stream == b"\0\0\0\0":
                self._window += int.from_bytes(payload)
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HL", payload):
                if name == MAX_CONCURRENT_STREAMS:
                    self._streams_max = value
            self.unsent += frame(SETTINGS, ACK, 0, b"")
        elif kind == PING and not flags & ACK:
            self.unsent += frame(PING, ACK, 0, payload)
        elif kind == GOAWAY:
            raise ConnectionError(f"the server sent GOAWAY: {payload!r}")


def _status(data: bytes, start: int, end: int) -> int:
    """Find the status in the header block of the trailers."""
    place = data.find(STATUS_NAME, start, end) + len(STATUS_NAME)
    return int(data[place + 1 : place + 1 + data[place]])


class Caller:
    """Call Bet: at random times at a rate, or so many at a time.

    At a rate calls begin whatever the server does, and latency counts from the time at
    which a call was meant to begin. A call that finds no room on any connection waits
    here, and its deadline goes on.
    """

    def __init__(self, address: str, key: str, bets: Bets) -> None:
        self._address, self._key, self._bets = address, key, bets
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._opened: list[Connection] = []
        self._count_from = self._count_until = 0.0
        self.latencies: list[float] = []
        self.outcomes: Counter[str] = Counter()
        # Answered OK between the end of settling and the end of offering.
        self.good_count = 0

    def run(
        self,
        seconds: float,
        *,
        rate: float = 0.0,
        callers: int = 0,
        connections: int = 4,
        timeout_ms: int = 5_000,
        settle_s: float = 0.0,
        grace_s: float = 10.0,
    ) -> None:
        """Offer calls for a time, then wait for those in flight."""
        blocks = header_blocks(self._key, timeout_ms)
        opened = [Connection(self._address, blocks) for _ in range(connections)]
        self._opened = opened
        arrivals = random.Random(1)
        now = time.perf_counter()
        due, end = now, now + seconds
        self._count_from, self._count_until = now + settle_s, end
        while now < end or any(connection.calls for connection in opened):
            if not rate and now < end:
                self._top_up(callers, now)
            while rate and due <= now and due < end:
                self._draw(due)
                due += arrivals.expovariate(rate)
            self._begin(now - timeout_ms / 1_000)
            wait_s = max(0.0, min(due, end) - now) if rate and now < end else 0.1
            self._exchange(wait_s)
            now = time.perf_counter()
            if now > end + grace_s:
                break
        self._give_up()

    def _top_up(self, callers: int, now: float) -> None:
        in_flight = sum(len(connection.calls) for connection in self._opened)
        for _ in range(in_flight + len(self._waiting), callers):
            self._draw(now)

    def _draw(self, intended: float) -> None:
        self._waiting.append((self._bets.draw().SerializeToString(), intended))

    def _begin(self, oldest: float) -> None:
        """Begin what waits, on the connection with the fewest calls in flight."""
        waiting = self._waiting
        while waiting:
            message, intended = waiting[0]
            if intended > oldest:
                connection = min(self._opened, key=_load_of)
                if not connection.has_room(len(message) + 5):
                    return
                connection.begin(message, intended)
            else:
                self.outcomes["UNSENT"] += 1
            waiting.popleft()

    def _exchange(self, wait_s: float) -> None:
        """Send and receive what is possible within a time."""
        by_socket = {connection.socket: connection for connection in self._opened}
        for connection in self._opened:
            if connection.unsent:
                connection.send()
        full = [each.socket for each in self._opened if each.unsent]
        readable, _, _ = select.select(list(by_socket), full, [], wait_s)
        now = time.perf_counter()
        for sock in readable:
            for intended, status in by_socket[sock].receive():
                self.outcomes[STATUSES.get(status, str(status))] += 1
                if status == 0:
                    self.latencies.append(now - intended)
                    self.good_count += self._count_from <= now < self._count_until

    def _give_up(self) -> None:
        """Count what never began or never ended, and close."""
        self.outcomes["UNSENT"] += len(self._waiting)
        for connection in self._opened:
            self.outcomes["UNANSWERED"] += len(connection.calls)
            connection.socket.close()


def _load_of(connection: Connection) -> int:
    return len(connection.calls)
