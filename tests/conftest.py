"""Set what every test shares: one printed seed, Hypothesis, the event loop."""

import os
import secrets
from collections.abc import Callable, Mapping

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from tests.postgres import finish

SEED_VARIABLE = "CAGE_TEST_SEED"

# Hundreds of short-lived servers need no log made in advance; those that tests run
# as processes have it.
os.environ.setdefault("CAGE_WAL_BYTES", "0")

settings.register_profile(
    "cage",
    # A busy machine makes a slow test, not a wrong one.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("cage")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of the run, before Hypothesis reads its option."""
    # Workers of xdist inherit the environment, and with it the seed.
    seed = os.environ.setdefault(SEED_VARIABLE, str(secrets.randbelow(2**32)))
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = seed


def pytest_sessionfinish() -> None:
    """Stop what was started for all tests of this process."""
    finish()


def pytest_report_header() -> str:
    """Print the seed, which repeats the run."""
    return f"seed: {os.environ[SEED_VARIABLE]} ({SEED_VARIABLE} repeats it)"


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], uvloop.Loop]]:
    """Run coroutines on the event loop that the server uses."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the seed of the run, for tests that draw random numbers."""
    return int(os.environ[SEED_VARIABLE])
