"""Downloads go on without anybody, one after the other, can be stopped and taken up, and arrive whole."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from engine import Catalogue, DownloadError, Downloads
from engine import downloads as room
from models.hub import ask
from tests.models.hub import StandIn
from tests.tiny import write_tiny

BIG = bytes(range(256)) * 16_000  # 4 MB
Arrivals = list[int]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with StandIn({"a.safetensors": BIG, "b.safetensors": BIG[:9]}) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        template = served.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield served


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    made = Downloads(tmp_path / "models", lambda: None)
    yield made
    made.close()


def until(check: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_file_arrives_whole_and_is_told(stand_in: StandIn, tmp_path: Path) -> None:
    arrivals: Arrivals = []
    downloads = Downloads(tmp_path / "models", lambda: arrivals.append(1))
    repository = ask("owner/name")
    first, second = (downloads.begin(repository, offer) for offer in repository.offers)
    until(lambda: first.ended and second.ended)
    downloads.close()
    assert (first.state, first.there, second.state) == ("done", len(BIG), "done")
    assert (tmp_path / "models" / "a.safetensors").read_bytes() == BIG and arrivals == [1, 1]
    assert downloads.all() == [first, second]
    assert not list((tmp_path / "models" / ".downloads").iterdir())


def test_a_folder_arrives_as_a_model_that_loads(stand_in: StandIn, tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "source")
    stand_in.files = {
        f.relative_to(source).as_posix(): f.read_bytes() for f in source.rglob("*") if f.is_file()
    }
    catalogue = Catalogue(tmp_path / "home", starter=None)
    downloads = Downloads(tmp_path / "home" / "models", catalogue.look)
    repository = ask("owner/name")
    download = downloads.begin(repository, repository.offers[0])
    until(lambda: download.ended)
    downloads.close()
    assert download.state == "done", download.said
    assert catalogue.names() == ["owner--name"] and catalogue.load("owner--name").latent_channels == 4


def test_one_that_is_stopped_goes_on_where_it_was(
    stand_in: StandIn, downloads: Downloads, tmp_path: Path
) -> None:
    repository = ask("owner/name")
    stand_in.pace = 0.05
    first = downloads.begin(repository, repository.offers[0])
    until(lambda: first.there)
    downloads.stop(first)
    until(lambda: first.ended)
    assert first.state == "stopped" and 0 < first.there < len(BIG)
    assert not (tmp_path / "models" / "a.safetensors").exists()
    stand_in.pace = 0
    again = downloads.begin(repository, repository.offers[0])
    until(lambda: again.ended)
    assert again.state == "done" and (tmp_path / "models" / "a.safetensors").read_bytes() == BIG
    assert int(stand_in.asked[-1][1].removeprefix("bytes=").removesuffix("-")) >= first.there


def test_one_that_waits_can_be_stopped(stand_in: StandIn, downloads: Downloads) -> None:
    repository = ask("owner/name")
    stand_in.pace = 0.05
    first, second = (downloads.begin(repository, offer) for offer in repository.offers)
    downloads.stop(second)
    downloads.stop(first)
    until(lambda: first.ended and second.ended)
    assert (second.state, second.there) == ("stopped", 0)


def test_what_is_here_or_on_its_way_is_not_begun_again(stand_in: StandIn, downloads: Downloads) -> None:
    repository = ask("owner/name")
    stand_in.pace = 0.02
    first = downloads.begin(repository, repository.offers[0])
    with pytest.raises(DownloadError, match="on its way already"):
        downloads.begin(repository, repository.offers[0])
    until(lambda: first.ended)
    with pytest.raises(DownloadError, match="is here already, as 'a'"):
        downloads.begin(repository, repository.offers[0])


def test_what_the_disk_has_no_room_for_is_not_begun(
    stand_in: StandIn, downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SPARE", 1 << 60)
    repository = ask("owner/name")
    with pytest.raises(DownloadError, match="'a.safetensors' has 0.0 GB, the disk"):
        downloads.begin(repository, repository.offers[0])
    assert not downloads.all()


def test_a_failure_is_said_and_the_next_one_goes_on(stand_in: StandIn, downloads: Downloads) -> None:
    stand_in.said = {"a.safetensors": bytes(len(BIG))}
    repository = ask("owner/name")
    first, second = (downloads.begin(repository, offer) for offer in repository.offers)
    until(lambda: first.ended and second.ended)
    assert first.state == "failed" and "checksum" in first.said and second.state == "done"
