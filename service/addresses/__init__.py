"""Addresses as settings give them: what cannot work is refused, with the remedy."""
