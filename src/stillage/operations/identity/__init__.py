"""The embedded identity service: users, projects, tokens and access keys, for deployments without Keystone."""
