"""How the pages write days and times, in place of Django's own ways."""
