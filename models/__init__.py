"""The mathematics: networks, their training, what is measured of them; no HTTP, no queue, no database."""
