"""Bind the addresses of a server, with TLS where it is configured."""

from pathlib import Path

import grpc

from cage.rpc.interceptor import GuardSettings
from cage.server.config import Config, split_address
from cage.server.metrics import MetricsServer

SERVER_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_concurrent_streams", 1_000),
    # A batch of 1,000 bets, each with 4,096 bytes of details, is more than the 4 MiB
    # of the default.
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # The default of 300 s ends connections of callers that ping more often.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    # Callers connect anew and find other servers; streams that are open go on.
    ("grpc.max_connection_age_ms", 30 * 60 * 1_000),
]


def server_options(*, is_shared: bool) -> list[tuple[str, int]]:
    """Return the options of a gRPC server that has its address alone, or shares it.

    A second server on the port must fail, not share it silently; workers of one server
    do share theirs.
    """
    return [("grpc.so_reuseport", int(is_shared)), *SERVER_OPTIONS]


class ListenError(Exception):
    """Say that an address cannot be listened on, or a PEM file cannot be used."""


def bind_grpc(server: grpc.aio.Server, config: Config) -> str:
    """Bind the address for gRPC and return it with the port that was taken."""
    host, _ = split_address(config.listen)
    try:
        if config.has_tls:
            port = server.add_secure_port(config.listen, _credentials(config))
        else:
            port = server.add_insecure_port(config.listen)
    except (RuntimeError, OSError) as exc:
        raise ListenError(f"cannot listen on {config.listen}: {exc}") from exc
    return join_address(host, port)


async def bind_metrics(server: MetricsServer, config: Config) -> str:
    """Bind the address for Prometheus and return it; empty when switched off."""
    if not config.metrics_listen:
        return ""
    host, port = split_address(config.metrics_listen)
    try:
        return join_address(host, await server.start(host, port))
    except OSError as exc:
        raise ListenError(f"cannot listen on {config.metrics_listen}: {exc}") from exc


def guard_settings(config: Config) -> GuardSettings:
    """Return what the guard of all calls wants to know."""
    return GuardSettings(
        in_flight_max=config.in_flight_max,
        rate_max_per_s=config.rate_max_per_s,
        default_timeout_s=config.default_timeout_s,
        log_share=config.log_share,
        refusal_log_share=config.refusal_log_share,
    )


def _credentials(config: Config) -> grpc.ServerCredentials:
    client_ca = _pem(config.tls_client_ca)
    return grpc.ssl_server_credentials(
        [(_pem(config.tls_key) or b"", _pem(config.tls_cert) or b"")],
        root_certificates=client_ca,
        require_client_auth=client_ca is not None,
    )


def _pem(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def join_address(host: str, port: int) -> str:
    """Return "host:port", with brackets for IPv6."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
