"""The cloud's own Keystone."""
