"""The emulator's own API: faults on request, a record of requests, a clock. Only an ephemeral server has it."""
