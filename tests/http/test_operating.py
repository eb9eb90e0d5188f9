"""What an operator is told over HTTP, and who is no operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text
from starlette.testclient import TestClient
from tests.http.conftest import Site, code, opened

from greenroom import Entry, MediaStatistics, errors
from greenroom.http import media_app
from greenroom.metrics import MediaMetrics

KEY = "a key that nobody knows".replace(" ", "-")
SOME = MediaStatistics(
    seconds=10.0,
    packets_received=100,
    bytes_received=1_000,
    packets_sent=200,
    bytes_sent=2_000,
    packets_lost=5,
    key_frame_requests=2,
    round_trip=0.05,
)
Samples = Mapping[tuple[str, ...], float]


@pytest.fixture
def site() -> Iterator[Site]:
    with opened(operator_key=KEY) as site:
        yield site


def enter(site: Site, user: str, call_id: str, statistics: MediaStatistics = SOME) -> Entry:
    """Somebody in a call, whose media has been counted."""
    site.call_id = call_id
    entry = site.join(user)
    site.media.connect(entry.entry_id)
    site.media.measure(entry.entry_id, statistics)
    return entry


def scraped(site: Site) -> Samples:
    """(name, label values...) to value, as Prometheus reads it."""
    said = site.ask("GET", "/media/metrics", KEY)
    assert said.headers["content-type"].startswith("text/plain")
    return {
        (
            sample.name.removeprefix("greenroom_media_"),
            *sorted(sample.labels.values()),
        ): sample.value
        for family in read_text(said.text)
        for sample in family.samples
    }


def test_prometheus_is_told_of_all_media_and_of_each_call(site: Site) -> None:
    enter(site, "thierry", "1")
    enter(site, "alice", "2")
    found = scraped(site)
    assert found["calls",] == found["entries",] == found["connected_entries",] == 2
    assert found["packets_total", "in"] == 200
    assert found["bytes_total", "out"] == 4_000
    assert found["lost_packets_total",] == 10
    assert found["key_frame_requests_total",] == 4
    assert found["round_trip_seconds",] == 0.05
    assert found["call_packets_total", "default:1", "in"] == 100
    assert found["call_bytes_total", "default:2", "out"] == 2_000
    assert found["call_connected_entries", "default:2"] == 1


def test_what_nobody_has_measured_is_not_told_as_nothing(site: Site) -> None:
    enter(site, "thierry", "1")
    found = scraped(site)
    assert ("jitter_seconds",) not in found
    assert ("load_ratio",) not in found
    assert not [name for name, *_ in found if name.endswith("bitrate")]


def test_counters_do_not_fall_when_somebody_leaves(site: Site) -> None:
    enter(site, "thierry", "1")
    alice = enter(site, "alice", "1")
    before = scraped(site)
    alice.leave()
    after = scraped(site)
    assert after["connected_entries",] == 1
    for key in (("packets_total", "in"), ("call_packets_total", "default:1", "in")):
        assert after[key] == before[key] == 200


def test_no_more_calls_have_series_than_were_asked_for_and_users_have_none(site: Site) -> None:
    for number in range(4):
        enter(site, f"user-{number}", f"{number}", MediaStatistics(bytes_sent=number))
    registry = CollectorRegistry()
    registry.register(MediaMetrics(site.room, most_calls=2))
    labels = [sample.labels for family in registry.collect() for sample in family.samples]
    assert {one["cid"] for one in labels if "cid" in one} == {"default:2", "default:3"}
    assert {name for one in labels for name in one} == {"cid", "direction"}


@pytest.mark.parametrize("most", [-1, "many", True, None])
def test_a_number_of_calls_that_is_none_is_refused(site: Site, most: object) -> None:
    with pytest.raises(errors.InvalidInput, match="most_calls"):
        MediaMetrics(site.room, most_calls=most)  # type: ignore[arg-type]  # that is the point


def test_who_takes_openmetrics_is_given_that(site: Site) -> None:
    enter(site, "thierry", "1")
    said = site.ask("GET", "/media/metrics", KEY, Accept="application/openmetrics-text")
    assert said.headers["content-type"].startswith("application/openmetrics-text")
    families = read_open(said.text)  # type: ignore[no-untyped-call]  # it has no types
    assert "greenroom_media_packets" in {family.name for family in families}


def test_programs_are_told_of_every_entry(site: Site) -> None:
    entry = enter(site, "thierry", "1")
    enter(site, "alice", "1")
    said = site.ask("GET", "/media/stats", KEY)
    assert said.headers["cache-control"] == "no-store"
    found = said.json()
    assert found["load"] is None
    assert found["counted"]["packets_received"] == 200
    told = found["calls"]["default:1"]["entries"][entry.entry_id]
    assert (told["user_id"], told["lines"]) == ("thierry", [])
    assert told["counted"]["round_trip"] == 0.05
    assert site.ask("GET", "/media/stats", KEY).json()["at"] > found["at"]


@pytest.mark.parametrize("place", ["metrics", "stats"])
@pytest.mark.parametrize("said", [None, "Bearer", "Bearer other-than-the-key", f"Basic {KEY}", KEY])
def test_nobody_else_is_told_anything(site: Site, place: str, said: str | None) -> None:
    enter(site, "thierry", "1")
    headers = {} if said is None else {"Authorization": said}
    refused = site.ask("GET", f"/media/{place}", **headers)
    assert (refused.status_code, code(refused)) == (401, "operator_key_required")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "thierry" not in refused.text


@pytest.mark.parametrize("place", ["metrics", "stats"])
def test_a_ticket_is_no_operators_key(site: Site, place: str) -> None:
    ticket = enter(site, "thierry", "1").ticket()
    assert site.ask("GET", f"/media/{place}", ticket).status_code == 401


@pytest.mark.parametrize("place", ["metrics", "stats"])
def test_without_a_key_there_is_nothing_to_ask(place: str) -> None:
    with opened() as site:
        assert site.ask("GET", f"/media/{place}", KEY).status_code == 404


@pytest.mark.parametrize(
    "key", ["", "short", "with a space in it", "ümlaute-und-mehr", 5, b"x" * 20]
)
def test_a_key_that_is_none_is_refused_at_once(site: Site, key: object) -> None:
    with pytest.raises(errors.InvalidInput, match="operator_key"):
        media_app(lambda _: None, operator_key=key)  # type: ignore[arg-type,return-value]  # never asked


def test_where_media_has_not_begun_nothing_is_counted(site: Site) -> None:
    site.room._core.media = None
    assert site.ask("GET", "/media/stats", KEY).json()["calls"] == {}
    assert site.ask("GET", "/media/metrics", KEY).text == ""


def test_only_getting_has_a_meaning(site: Site) -> None:
    with TestClient(media_app(lambda _: None, operator_key=KEY)) as client:  # type: ignore[arg-type,return-value]  # never asked
        assert client.post("/metrics").status_code == 405
