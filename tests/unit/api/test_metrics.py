import asyncio

import pytest

from stillage.api.metrics import Metrics
from stillage.errors import QuotaExceeded


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (QuotaExceeded("bytes", 10, 5, 6), "quota_exceeded"),
        (asyncio.CancelledError(), "cut_off"),
        (ConnectionResetError(), "cut_off"),
        (ZeroDivisionError(), "internal_error"),
    ],
)
def test_an_upload_that_fails_is_counted_under_the_code_of_its_error(error: BaseException, outcome: str) -> None:
    metrics = Metrics(None)
    for counted in (metrics.upload, metrics.piece):
        with pytest.raises(type(error)), counted():
            raise error
    assert f'stillage_uploads_total{{outcome="{outcome}"}} 2.0' in metrics.exposition().decode()
