"""What a step of training computes, compiled where it could be, else left to torch and numpy."""
