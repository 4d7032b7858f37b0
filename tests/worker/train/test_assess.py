"""What is found out about a network before it becomes a version."""

import json

import pytest

from models import golden, novelty
from models.inference import read
from service.artifacts import Artifacts
from service.cli.doctor import examine
from service.settings import Settings
from service.store import owners
from service.store.store import Store
from tests.worker.training import kept, submit, trained
from worker.train import assess
from worker.train.run import run


def test_a_network_is_assessed_before_it_becomes_a_version(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, model="digits")
    row = store.models.version("digits", 1)
    assert row is not None
    assert (row.job_id, row.epoch) == (job.id, job.result["best_epoch"])
    assert row.weights_sha256 == job.result["best_weights_sha256"]
    assert row.val_accuracy == job.result["best_val_accuracy"]
    files = {
        file.name: artifacts.read(file.key, file.sha256) for file in store.files.of(owners.of_version("digits", 1))
    }
    assert set(files) == {
        "weights.safetensors",
        "about.json",
        "golden.safetensors",
        "novelty.safetensors",
        "card.json",
    }
    golden.replay(read(files["weights.safetensors"]), golden.unpack(files["golden.safetensors"]))
    assert novelty.unpack(files["novelty.safetensors"]).distances.shape == (novelty.QUANTILES,)
    card = json.loads(files["card.json"])
    assert card["model"]["weights_sha256"] == row.weights_sha256
    assert card["data"]["sha256"] == row.data_sha256
    assert card["accuracies"]["validation"] == pytest.approx(row.val_accuracy)
    assert row.facts["temperature"] == card["assessment"]["temperature"]
    examples = [its["examples"] for its in card["assessment"]["classes"]]
    assert row.facts["majority_share"] == max(examples) / sum(examples)
    assert list(examine(store, artifacts, young_seconds=-1)) == []


def test_a_network_that_learned_to_name_one_class_is_a_version_and_no_champion(
    store: Store, artifacts: Artifacts, settings: Settings
) -> None:
    job = trained(store, artifacts, settings, learning_rate=10.0, epochs=2)
    assert job.state == "succeeded"
    row = store.models.version("digits", 1)
    assert row is not None
    accuracy, share = f"{row.val_accuracy:.4f}", f"{row.facts['majority_share']:.4f}"
    assert row.facts["not_promoted_because"] == (
        f"it is no better than guessing: its validation accuracy, {accuracy}, does not exceed the share of the most "
        f"frequent class of the validation part, {share}"
    )
    assert store.aliases.get("digits", "champion") is None


def test_a_network_that_cannot_be_assessed_is_a_version_without_a_card(
    store: Store, artifacts: Artifacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(store)

    def refuse(*_arguments: object, **_options: object) -> None:
        raise ValueError("the network's outputs are not numbers")

    monkeypatch.setattr(assess, "assess", refuse)
    run(job_id, store, artifacts, settings, owner="worker")
    row = store.models.version("digits", 1)
    assert row is not None
    assert "outputs are not numbers" in row.facts["no_card_because"]
    assert row.data_sha256 is not None
    assert {file.name for file in store.files.of(owners.of_version("digits", 1))} == {
        "weights.safetensors",
        "about.json",
    }
    assert {str(path.relative_to(artifacts.folder)) for path in kept(artifacts, job_id)} == {
        file.key for file in store.files.of(owners.of_job(job_id))
    }
