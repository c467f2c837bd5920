# Only another pass can tell.

out state absent
