"""What is told of a fault of the disk."""

import pytest

from service.disk.faults import told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "/srv/ada/x.npy"), "No space left on device"),
        (ValueError("/srv/ada/data/MNIST/raw/train-labels holds 1 bytes"), "train-labels holds 1 bytes"),
        (
            ValueError("'/srv/a/b' and /c/d are cut off; see https://a.org/b/c"),
            "'b' and d are cut off; see https://a.org/b/c",
        ),
        (ValueError("learning_rate 1/2 is no number"), "learning_rate 1/2 is no number"),
    ],
)
def test_what_went_wrong_is_told_without_paths(error: Exception, words: str) -> None:
    assert told(error) == words
