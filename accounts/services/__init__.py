"""Writes to who there is: `people`, `tokens`; and what every app's services share: `saving`."""
