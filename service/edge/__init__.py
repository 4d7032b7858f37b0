"""Where bytes become requests: what is none is refused, in bounded time and memory, before anything else sees it."""
