# Health is asked anew.

out state absent
