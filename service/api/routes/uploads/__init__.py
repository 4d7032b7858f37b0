"""/uploads: files that come in several requests, and go on after a cut: tus 1.0."""
