"""Writes to the ledger: `writer` holds the ledger lock and stamps, `records` are the acts."""
