"""Who asks, by what they show for it, and what that lets them do."""
