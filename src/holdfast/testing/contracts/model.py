"""Any sequence of verbs leaves a store as it leaves a dictionary (P11)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from holdfast.protocols import Store
    from holdfast.testing.clock import FakeClock
    from holdfast.testing.contracts.samples import Samples


class ModelContract:
    """The store against a dictionary, by random sequences of verbs."""

    examples = 25
    """How many sequences are tried."""

    def test_any_sequence_of_verbs(self, store: Store, samples: Samples, clock: FakeClock) -> None:
        """Records, index, pages and answers stay a dictionary's (needs Hypothesis)."""
        pytest.importorskip("hypothesis")
        from hypothesis import HealthCheck, settings, stateful

        from holdfast.testing.contracts.machine import Machine

        stateful.run_state_machine_as_test(
            cast("type[stateful.RuleBasedStateMachine]", partial(Machine, store, samples, clock)),
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=20,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
