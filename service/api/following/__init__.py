"""Following what happens: one look at the record for all streams of a process, and for all who wait for an end."""
