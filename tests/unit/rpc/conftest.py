"""Set what tests of the rpc layer share."""

import pytest
from tests.unit.rpc.fakes import FakeWriter, api_key, build_registry

from cage.core.registry import Registry, Role


@pytest.fixture
def registry() -> Registry:
    """Return a registry with a key of each role."""
    return build_registry([api_key(role, role) for role in Role])


@pytest.fixture
def writer(registry: Registry) -> FakeWriter:
    """Return a writer that the test answers for."""
    return FakeWriter(registry)
