"""Write the log as JSON lines on standard error."""

import logging
import sys

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer

# Local variables hold what people are called, and the writer waits for their text.
_TRACEBACKS = ExceptionDictTransformer(show_locals=False)


def configure_log(level: str) -> None:
    """Send structlog and the standard library's logging to standard error."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_TRACEBACKS),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(_dumps),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))


def _dumps(value: object, **_: object) -> str:
    return orjson.dumps(value, default=repr).decode()
