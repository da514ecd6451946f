"""Writes to templates and program sessions (`catalogue`) and to who is in them (`membership`)."""
