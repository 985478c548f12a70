"""The parts of `holdfast.testing.StoreContract`, one file for each thing that a store owes."""

import pytest

_PARTS = (
    "capping",
    "ending",
    "keeping",
    "listing",
    "machine",
    "model",
    "samples",
    "spending",
    "writing",
)

# So that their asserts tell what differs, wherever the contract is used.
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))
