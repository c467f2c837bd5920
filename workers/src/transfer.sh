# Copies of trees between hosts.
