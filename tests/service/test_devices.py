"""What a device is called, and that finding it out is bounded work whatever the device says."""

import time

import pytest

from holdfast.service.devices import MOST, label_of

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101"


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (f"{WINDOWS} Firefox/140.0", "Firefox on Windows"),
        (f"{IPHONE} Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iOS"),
        (f"{IPHONE} Strange/1.0", "iOS"),
        ("curl/8.9.1", "curl"),
        ("My app/3.1 Darwin/24", "My app"),
        ("x" * 500, "x" * 40),
        ("Mozilla/5.0 (compatible; Bot/1.0)", "Unknown device"),
        ("", "Unknown device"),
        (" ", "Unknown device"),
        (None, "Unknown device"),
    ],
)
def test_a_device_has_a_name(user_agent, label):
    """Browser and system, or what a program calls itself."""
    assert label_of(user_agent) == label


@pytest.mark.parametrize(
    "piece", ["; ", "a/1.", "x ", "Mozilla/5.0 (Linux; Android 9; Build/", "("]
)
def test_no_page_of_devices_takes_long_to_name(piece):
    """Promise 7: whoever signs in under odd names delays nobody else with the list of them."""
    names = [f"{piece * 200}"[: 500 - len(str(number))] + str(number) for number in range(MOST)]
    before = time.process_time()
    for name in names:
        label_of(name)
    assert time.process_time() - before < 0.1
