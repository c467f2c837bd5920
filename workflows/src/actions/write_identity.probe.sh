# An identity that is written again is as good.

out state absent
