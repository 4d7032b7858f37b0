"""What keeps the programs alive that Tenfold consists of."""
