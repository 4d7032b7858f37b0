"""Ensembles: several versions that answer as one, on both databases."""

import json

import numpy as np
import pytest

from models import golden
from models.data.learned import LEARNED, union
from models.ensemble import Ensemble
from models.inference import read
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.engine import Row
from service.store.ensembles import Member
from service.store.promotion import Promotion
from service.store.store import Store
from service.store.versions import WEIGHTS
from tests.records import damage
from tests.worker.training import trained
from worker.errands.combine import combine
from worker.learned_from import Known, UnknownError

MEMBERS: list[Member] = [("digits", 2), ("digits", 1)]
IF_BETTER = Promotion("if_better")


@pytest.fixture
def members(store: Store, artifacts: Artifacts, settings: Settings) -> list[Row]:
    for seed in (1, 2):
        trained(store, artifacts, settings, model="digits", seed=seed)
    return [made(store, "digits", version) for version in (1, 2)]


def made(store: Store, model: str, version: int) -> Row:
    row = store.models.version(model, version)
    assert row is not None
    return row


def contents(store: Store, artifacts: Artifacts, model: str, version: int) -> dict[str, bytes]:
    return {
        file.name: artifacts.read(file.key, file.sha256) for file in store.files.of(owners.of_version(model, version))
    }


def test_several_versions_become_one_that_was_assessed(
    store: Store, artifacts: Artifacts, settings: Settings, members: list[Row]
) -> None:
    combine("together", MEMBERS, IF_BETTER, store, artifacts, settings)
    row = made(store, "together", 1)
    assert (row.job_id, row.epoch, row.members) == (
        None,
        None,
        [{"model": "digits", "version": 1}, {"model": "digits", "version": 2}],
    )
    files = contents(store, artifacts, "together", 1)
    networks = [read(contents(store, artifacts, "digits", version)[WEIGHTS]) for version in (1, 2)]
    ensemble = Ensemble([read(files[f"member-{place}.safetensors"]) for place in (1, 2)])
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    np.testing.assert_allclose(
        ensemble.probabilities(pixels),
        np.mean([network.probabilities(pixels) for network in networks], axis=0),
        rtol=0,
        atol=1e-6,
    )
    golden.replay(ensemble, golden.unpack(files["golden.safetensors"]))
    card = json.loads(files["card.json"])
    assert [its["version"] for its in card["model"]["members"]] == ["digits/1", "digits/2"]
    assert row.val_accuracy == card["accuracies"]["validation"]
    assert row.val_accuracy > min(member.val_accuracy for member in members) - 0.02
    assert row.facts["temperature"] == card["assessment"]["temperature"]
    examples = [its["examples"] for its in card["assessment"]["classes"]]
    assert row.facts["majority_share"] == max(examples) / sum(examples)
    alias = store.aliases.get("together", "champion")
    assert alias is not None
    assert alias.targets == {"versions": {"1": 1.0}}
    assert list(examine(store, artifacts, young_seconds=-1)) == []


@pytest.mark.usefixtures("members")
def test_the_same_members_are_the_same_version_whoever_asks_how_often(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    for order in (MEMBERS, MEMBERS, MEMBERS[::-1]):
        combine("together", order, IF_BETTER, store, artifacts, settings)
    assert [row.version for row in store.models.versions("together", limit=9)] == [1]
    assert list(examine(store, artifacts, young_seconds=-1)) == []


@pytest.mark.usefixtures("members")
def test_an_ensemble_stays_when_its_members_are_deleted(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    combine("together", MEMBERS, Promotion("never"), store, artifacts, settings)
    before = contents(store, artifacts, "together", 1)
    store.aliases.delete("digits", "champion")
    for version in (1, 2):
        artifacts.remove(store.models.delete("digits", version) or ())
    for job in store.jobs.ended(before_days=-1, skip=0):
        artifacts.remove(store.jobs.delete(job.id) or ())
    assert contents(store, artifacts, "together", 1) == before
    assert list(examine(store, artifacts, young_seconds=-1)) == []
    artifacts.remove(store.models.delete("together", 1) or ())
    assert [path for path in artifacts.folder.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("members")
def test_an_ensemble_without_its_data_is_a_version_without_a_card(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError("there is no way to the data set")

    monkeypatch.setattr("worker.errands.combine.load", refuse)
    combine("digits", MEMBERS, IF_BETTER, store, artifacts, settings)
    row = made(store, "digits", 3)
    assert "no way to the data set" in row.facts["no_card_because"]
    assert (row.val_accuracy, row.facts["promoted"]) == (None, False)
    assert row.facts["not_promoted_because"] == "it could not be assessed"
    assert set(contents(store, artifacts, "digits", 3)) == {"member-1.safetensors", "member-2.safetensors"}
    assert list(examine(store, artifacts, young_seconds=-1)) == []


@pytest.mark.usefixtures("members")
def test_of_damaged_members_nothing_is_made(store: Store, artifacts: Artifacts, settings: Settings) -> None:
    damage(store, artifacts, "digits", 2)
    combine("together", MEMBERS, IF_BETTER, store, artifacts, settings)
    assert store.models.get("together") is None


@pytest.mark.usefixtures("members")
def test_of_a_member_that_was_deleted_meanwhile_nothing_is_made(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    artifacts.remove(store.models.delete("digits", 1) or ())
    combine("together", MEMBERS, IF_BETTER, store, artifacts, settings)
    assert store.models.get("together") is None
    assert list(examine(store, artifacts, young_seconds=-1)) == []


@pytest.mark.usefixtures("members")
def test_an_ensemble_has_learned_from_what_its_members_have(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    combine("together", MEMBERS, Promotion("never"), store, artifacts, settings)
    known, row = Known(store, artifacts, settings), made(store, "together", 1)
    its = [known.of_version(made(store, "digits", version)) for version in (1, 2)]
    assert np.array_equal(known.of_version(row), union(*its))
    pointer = store.files.get(owners.of_version("together", 1), LEARNED)
    assert pointer is not None
    store.files.forget(pointer)  # as of an ensemble of an earlier release
    assert np.array_equal(known.of_version(row), union(*its))
    store.aliases.delete("digits", "champion")
    artifacts.remove(store.models.delete("digits", 2) or ())
    with pytest.raises(UnknownError, match="its member digits/2 was deleted"):
        known.of_version(row)
