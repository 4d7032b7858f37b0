"""`make demo`: the study's first network, trained through the real service, and asked to read unseen digits."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from service.client import Client, TenfoldError
from service.processes import programs
from service.settings import Settings
from service.start import lock
from service.start.home import go_to

REPORT_TRIAL_1 = {
    "name": "report-trial-1",
    "architecture": "mlp",
    "hidden_sizes": [100, 50],
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 128,
    "epochs": 10,
}
UNSEEN = 12

_PLOTS = ("loss", "accuracy", "confusion", "mistakes")


def run(settings: Settings, folder: Path) -> None:
    """Start everything in a fresh folder, train, draw, predict, and stop everything."""
    console = Console(highlight=False, soft_wrap=True)
    with lock.held(folder, by="--folder"):
        _run(settings, folder, console)


def _run(settings: Settings, folder: Path, console: Console) -> None:
    # As it was called: it is told so, and found from elsewhere too.
    called, folder = folder, folder.absolute()
    go_to(folder)
    console.print("Starting broker, workers and API ...")
    with programs.short_lived(settings, folder / "logs") as url, Client(url) as client:
        console.print(f"Tenfold runs on {url}")
        _show(client, folder, console, called)
    console.print("Everything is stopped.")


def _show(client: Client, folder: Path, console: Console, called: Path) -> None:
    job = client.submit(**REPORT_TRIAL_1, dataset=_dataset(client, console))
    spec = job["spec"]
    console.print(
        f"POST /jobs: {spec['dataset']}, hidden units {spec['hidden_sizes']}, {job['parameters']:,} parameters, "
        f"{spec['optimizer']}, learning rate {spec['learning_rate']}, batches of {spec['batch_size']}"
    )
    _follow(client, job, console)
    job = client.job(job["id"])
    if job["state"] != "succeeded":
        raise TenfoldError(f"the job {job['state']}: {job['error']}")
    result = job["result"]
    console.print(
        f"Final accuracy: training {result['train_accuracy']:.4f}, validation {result['val_accuracy']:.4f} "
        f"({result['seconds']:.1f} s of training and evaluation)"
    )
    pictures = _save_pictures(client, job, folder)
    console.print(f"Plots: {', '.join(str(called / name) for name in pictures)}")
    _read_unseen(client, job, console)


def _dataset(client: Client, console: Console) -> str:
    """Choose MNIST where it is found or can be downloaded, and else what scikit-learn brings along."""
    console.print("Looking for MNIST ...")
    mnist = client.dataset("mnist")
    while mnist["state"] == "pending":
        mnist = client.dataset("mnist")
    if mnist["state"] == "ready":
        return "mnist"
    console.print("MNIST is neither here nor to be downloaded: training on scikit-learn's handwritten digits instead.")
    return "digits"


def _follow(client: Client, job: dict[str, Any], console: Console) -> None:
    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("{task.fields[measured]}"),
        TextColumn("left"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=False),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("training", total=job["spec"]["epochs"], measured="waiting for a worker")
        for kind, data in client.follow(job["id"]):
            if kind == "epoch":
                measured = (
                    f"loss {data['loss']:.4f}  training {data['train_accuracy']:.4f}  "
                    f"validation {data['val_accuracy']:.4f}"
                )
                progress.update(task, completed=data["epoch"], measured=measured)


def _save_pictures(client: Client, job: dict[str, Any], folder: Path) -> list[str]:
    links: dict[str, Any] = {f"{plot}.png": job["links"][f"{plot}_plot"] for plot in _PLOTS}
    links["samples.png"] = client.dataset(job["spec"]["dataset"])["links"]["samples"]
    for name, link in links.items():
        (folder / name).write_bytes(client.download(link))
    return list(links)


def _read_unseen(client: Client, job: dict[str, Any], console: Console) -> None:
    examples = client.examples(job["id"], limit=UNSEEN)
    answer = client.predict(examples["images"], model=job["id"])
    read = [prediction["digit"] for prediction in answer["predictions"]]
    console.print(f"POST /predict: {UNSEEN} images that the network never saw")
    console.print("  true  " + "  ".join(str(label) for label in examples["labels"]))
    console.print("  read  " + "  ".join(str(digit) for digit in read))
    sureness = [max(prediction["probabilities"]) for prediction in answer["predictions"]]
    right = sum(label == digit for label, digit in zip(examples["labels"], read, strict=True))
    console.print(f"  {right} of {UNSEEN} right; least sure {min(sureness):.1%}, surest {max(sureness):.1%}")
