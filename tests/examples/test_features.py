"""The features of the flights example: every flight once, and nothing from the future."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tables(flights: ModuleType) -> Any:
    return flights.load()


@pytest.fixture(scope="module")
def table(flights: ModuleType, tables: Any) -> pd.DataFrame:
    found: pd.DataFrame = flights.features(tables)
    return found


def test_every_flight_is_there_once_and_in_order(table: pd.DataFrame, tables: Any) -> None:
    assert len(table) == len(tables.flights) == 336_776
    numbers = tables.flights["carrier"] + tables.flights["flight"].astype(str)
    assert (table["flight"].to_numpy() == numbers.to_numpy()).all()
    assert (int(table["cancelled"].sum()), int(table["diverted"].sum())) == (8_255, 1_175)
    assert int(table["arr_delay"].notna().sum()) == 327_346


def test_what_happens_after_the_prediction_changes_no_feature(
    flights: ModuleType, table: pd.DataFrame, tables: Any
) -> None:
    # Given a busy evening at 17:00 local time, and a world in which all that came after went differently
    moment = pd.Timestamp("2013-03-08 22:00", tz="UTC")
    asked = table["departure_hour"] == moment
    assert asked.sum() > 40
    changed = tables.flights.copy()
    minutes = pd.to_timedelta(changed["minute"] + changed["dep_delay"], unit="min")
    future = ~(changed["time_hour"] + minutes < moment)  # left later, or never
    changed.loc[future, ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]] = 777.0
    changed_weather = tables.weather.copy()
    measured = changed_weather.select_dtypes("number").columns.difference(["year", "month", "day", "hour"])
    changed_weather.loc[changed_weather["time_hour"] >= moment, measured] = 777.0

    # When the features are built in it
    other = flights.features(tables._replace(flights=changed, weather=changed_weather))

    # Then the flights of that hour look the same, and those of the next hours do not
    pd.testing.assert_frame_equal(other.loc[asked, flights.FEATURES], table.loc[asked, flights.FEATURES])
    after = table["departure_hour"] == moment + pd.Timedelta(hours=3)
    assert not np.allclose(other.loc[after, "recent_delay"], table.loc[after, "recent_delay"], equal_nan=True)


def test_scheduled_minutes_fit_the_distances(table: pd.DataFrame) -> None:
    # Over midnight, against the clocks, to places with another summer time or none: an hour wrong would show as a speed
    # that no airliner has (miles an hour from gate to gate; on short hops much of the time is spent on the ground)
    speed = table["distance"] / (table["scheduled_minutes"] / 60)
    assert speed.max() < 500
    assert speed[table["distance"] > 1000].min() > 250
    honolulu = table.loc[table["dest"] == "HNL", "scheduled_minutes"]
    assert honolulu.between(600, 720).all()
