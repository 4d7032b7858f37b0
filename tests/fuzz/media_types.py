"""Media types that made-up requests have and their tool does not know: how their bodies are written."""

import schemathesis

# The bytes of an upload are any: https://tus.io/protocols/resumable-upload#patch.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

# Lines are made up as any text is.
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
schemathesis.serializer.alias("text/csv", "text/plain")
