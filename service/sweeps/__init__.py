"""What a sweep is and which jobs it comes to, without a database."""
