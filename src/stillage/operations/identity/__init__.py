"""The embedded identity: users, projects and tokens of our own, for a deployment without a Keystone."""
