# A limit that is set again is the same limit.

out state absent
