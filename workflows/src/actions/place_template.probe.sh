# JOB

if [ -d "$R/var/lib/vsjob/templates" ]; then out state "done"; else out state absent; fi
