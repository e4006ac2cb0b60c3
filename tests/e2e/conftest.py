"""Let failures of the modules beside the tests show their figures."""

import pytest

pytest.register_assert_rewrite(
    *(
        f"tests.e2e.{name}"
        for name in ("account", "audit", "load", "process", "rounds", "story")
    )
)
