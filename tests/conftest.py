"""What holds for all tests: Hypothesis measures no time, since a busy machine is no defect."""

from hypothesis import settings

settings.register_profile("holdfast", deadline=None)
settings.load_profile("holdfast")
