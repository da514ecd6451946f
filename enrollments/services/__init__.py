"""Writes to the catalogue (`catalogue`) and to who sits where (`enrolling`)."""
