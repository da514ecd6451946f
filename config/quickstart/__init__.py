"""What `manage.py quickstart` sets up: two organizations with data, their tokens, a staff login, a server."""
