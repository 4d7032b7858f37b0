"""Archives, ZIP and TAR, read where they lie and never unpacked: which files they hold, and what those are."""
