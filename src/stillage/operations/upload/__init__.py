"""One request that brings an image its bytes."""
