"""HTTP to other servers: peers that the settings name (`peer`), and sources that users name (`web`)."""
