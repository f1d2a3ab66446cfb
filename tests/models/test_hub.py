"""What a repository offers, and that what is fetched is whole, right, and goes on where it stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from models import hub
from models.hub import HubError, Offer, Repository, ask, fetch
from tests.models.hub import COMMIT, StandIn

WHOLE = {
    "model_index.json": b"{}",
    "unet/config.json": b"{1}",
    "unet/diffusion_pytorch_model.safetensors": b"u" * 4000,
    "unet/diffusion_pytorch_model.fp16.safetensors": b"h" * 2000,
    "unet/diffusion_pytorch_model.non_ema.safetensors": b"n" * 4000,
    "unet/diffusion_pytorch_model.bin": b"pickle",
    "text_encoder/model.safetensors": b"t" * 300,
    "text_encoder/model.fp16.safetensors": b"t" * 150,
    "tokenizer/merges.txt": b"a b",
    "safety_checker/model.safetensors": b"s" * 5000,
    "v1-5.safetensors": b"c" * 6000,
    "README.md": b"hello",
    "../../evil.safetensors": b"e",
    "unet/../../evil.json": b"e",
}
BIG = bytes(range(256)) * 12_000  # 3 MB


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub.time, "sleep", lambda seconds: None)
    return monkeypatch


@pytest.fixture
def stand_in(online: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with StandIn({"a.safetensors": BIG}) as served:
        online.setattr(constants, "ENDPOINT", served.url)
        online.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield served


def names(offer: Offer) -> list[str]:
    return [file.name for file in offer.files]


def test_a_folder_is_offered_whole_and_in_half_precision_and_files_alone(stand_in: StandIn) -> None:
    stand_in.files = WHOLE
    repository = ask("owner/name")
    assert (repository.name, repository.commit) == ("owner/name", COMMIT)
    whole, half, single = repository.offers
    texts = [
        "unet/config.json",
        "tokenizer/merges.txt",
        "model_index.json",
    ]  # by the last one it is recognised
    assert names(whole) == [
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        *texts,
    ]
    halves = ["unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder/model.fp16.safetensors"]
    assert names(half) == [*halves, *texts]
    assert (single.what, names(single)) == ("v1-5.safetensors", ["v1-5.safetensors"])
    assert (whole.size, half.size, single.size) == (4308, 2158, 6000)
    assert len(stand_in.asked) == 1  # nothing was fetched to say so


def test_a_network_in_diffusers_names_comes_with_its_config(stand_in: StandIn) -> None:
    stand_in.files = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": b"1234"}
    [offer] = ask("https://huggingface.co/owner/name").offers
    assert names(offer) == ["config.json", "diffusion_pytorch_model.safetensors"]


@pytest.mark.parametrize(
    "name", ["", "name", "a/b/c", "../x", "http://elsewhere/owner/name", "owner/na me", "o/.."]
)
def test_only_names_of_the_hub_are_asked_for(stand_in: StandIn, name: str) -> None:
    with pytest.raises(HubError, match="^Repository: got .*allowed: owner/name"):
        ask(name)
    assert not stand_in.asked


def test_pickles_are_not_offered(stand_in: StandIn) -> None:
    stand_in.files = {"model.ckpt": b"x", "README.md": b"y"}
    with pytest.raises(HubError, match="has only pickles.*allowed: safetensors"):
        ask("owner/name")
    stand_in.files = {"README.md": b"y"}
    with pytest.raises(HubError, match="has no model files"):
        ask("owner/name")


@pytest.mark.parametrize(("status", "code", "said"), [
    (404, "RepoNotFound", "there is none by this name"),
    (403, "GatedRepo", "it asks for consent"),
    (500, "", "the hub answered with status 500"),
])  # fmt: skip
def test_what_the_hub_says_is_a_sentence(stand_in: StandIn, status: int, code: str, said: str) -> None:
    stand_in.status, stand_in.headers = status, {"X-Error-Code": code}
    with pytest.raises(HubError, match=f"^Repository 'owner/name': {said}"):
        ask("owner/name")


def test_offline_means_offline(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repository = ask("owner/name")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        ask("owner/name")
    with pytest.raises(HubError, match="HF_HUB_OFFLINE is set"):
        list(fetch(repository, repository.offers[0], tmp_path))
    assert len(stand_in.asked) == 1


def test_a_hub_that_is_not_there_is_a_sentence(online: pytest.MonkeyPatch) -> None:
    online.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be reached"):
        ask("owner/name")


def got(repository: Repository, folder: Path) -> list[int]:
    return list(fetch(repository, repository.offers[0], folder))


def test_files_come_whole_with_progress_that_ends_at_their_size(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.files = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": BIG}
    there = got(ask("owner/name"), tmp_path)
    assert there == sorted(there) and there[-1] == len(BIG) + 2 and len(there) >= 4
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == stand_in.files
    asked = len(stand_in.asked)
    assert got(ask("owner/name"), tmp_path)[-1] == len(BIG) + 2
    assert len(stand_in.asked) == asked + 1  # what is there is not fetched again


def test_what_was_stopped_goes_on_from_there(stand_in: StandIn, tmp_path: Path) -> None:
    repository = ask("owner/name")
    begun = fetch(repository, repository.offers[0], tmp_path)
    there = next(begun)
    begun.close()
    part = tmp_path / "a.safetensors.part"
    assert part.stat().st_size == there < len(BIG) and not (tmp_path / "a.safetensors").exists()
    got(repository, tmp_path)
    assert stand_in.asked[-1][1] == f"bytes={there}-"
    assert (tmp_path / "a.safetensors").read_bytes() == BIG and not part.exists()


def test_a_connection_that_breaks_is_taken_up_again(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.cut = 1_100_000
    assert got(ask("owner/name"), tmp_path)[-1] == len(BIG)
    assert (tmp_path / "a.safetensors").read_bytes() == BIG
    assert len(stand_in.asked) == 4


def test_a_server_without_ranges_sends_all_again(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "a.safetensors.part").write_bytes(b"x" * 1000)
    stand_in.ranges = False
    got(ask("owner/name"), tmp_path)
    assert (tmp_path / "a.safetensors").read_bytes() == BIG


def test_a_connection_that_brings_nothing_is_given_up(stand_in: StandIn, tmp_path: Path) -> None:
    repository = ask("owner/name")
    stand_in.__exit__(None, None, None)
    with pytest.raises(HubError, match="connection was lost"):
        got(repository, tmp_path)


@pytest.mark.parametrize("name", ["a.safetensors", "config.json"])
def test_what_is_not_what_the_checksum_says_is_thrown_away(
    stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    stand_in.files = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": b"12"}
    if name == "a.safetensors":
        stand_in.files = {name: BIG}
    stand_in.said = {name: bytes(len(stand_in.files[name]))}
    with pytest.raises(HubError, match=f"'{name}' is not what the hub's checksum says"):
        got(ask("owner/name"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_more_than_the_hub_said_is_not_kept(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.said = {"a.safetensors": b"short"}
    with pytest.raises(HubError, match="larger than the hub said"):
        got(ask("owner/name"), tmp_path)
    assert not (tmp_path / "a.safetensors").exists()
