# The host answers: that is all there is to it.

:
