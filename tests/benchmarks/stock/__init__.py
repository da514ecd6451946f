"""The peer: the same endpoints as most projects write them with Django REST framework, over the same models."""
