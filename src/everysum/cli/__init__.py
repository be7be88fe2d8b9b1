"""The command line: one file a command; thin, since everything that is done is done on the floors below."""
