# Guests on a bridge of their host.
