# Whether it was unpacked whole nothing tells.

out state absent
