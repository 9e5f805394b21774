"""Users, projects, tokens, keys and credentials: values, and the requests that change them. Pure."""
