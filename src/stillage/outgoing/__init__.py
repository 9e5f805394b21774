"""HTTP to other servers: the peers that the settings name (`peer`)."""
