# Whether the copy is still near enough only another pass can tell.

out state absent
