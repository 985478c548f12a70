"""What holds for all tests of Hypothesis.

It measures no time, since a busy machine is no defect. On a server for integration it tries the same
cases each time, so that luck decides no merge; everywhere else it goes on looking for new ones.
"""

import os

from hypothesis import settings

settings.register_profile(
    "holdfast", deadline=None, derandomize=os.environ.get("CI") == "true", database=None
)
settings.load_profile("holdfast")
