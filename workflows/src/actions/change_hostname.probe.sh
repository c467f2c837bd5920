# A name that is written again is as good.

out state absent
