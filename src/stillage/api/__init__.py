"""HTTP: everything that handles requests and responses."""
