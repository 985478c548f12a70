"""pytest in a process of its own, without the plugins of strangers, which take seconds to import."""

import sys
from importlib.metadata import entry_points

WANTED = {"holdfast.testing.plugin", "timeout"}
STRANGERS = sorted({each.name for each in entry_points(group="pytest11")} - WANTED)
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
COMMAND += [word for name in STRANGERS for word in ("-p", f"no:{name}")]
