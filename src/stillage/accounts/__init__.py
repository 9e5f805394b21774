"""People, their tokens, keys and names: values and the requests that change them, pure."""
