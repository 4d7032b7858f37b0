"""All that speaks with Redis or Valkey."""
