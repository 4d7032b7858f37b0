"""What /jobs does: submitted and listed, acted on, followed, and what jobs leave."""
