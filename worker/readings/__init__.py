"""Files that were uploaded are read, each in a process of its own that may be killed."""
