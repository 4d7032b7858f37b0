"""What a step does beside its matrix products: compiled where it could be, else by torch."""
