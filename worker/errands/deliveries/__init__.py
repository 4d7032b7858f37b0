"""What happened is sent to webhooks: signed, to addresses that were checked, again and again until it arrives."""
